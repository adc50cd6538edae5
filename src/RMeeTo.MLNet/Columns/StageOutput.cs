using Microsoft.ML;

namespace RMeeTo.MLNet;

/// <summary>What the network says of the row that a cursor or a prediction engine stands at.</summary>
internal interface IScoredRow
{
    /// <summary>[classes]; all NaN where the image could not be read.</summary>
    ReadOnlySpan<float> Probabilities { get; }

    /// <summary>
    /// [width], the class token after the final norm; all NaN where the image could not be read. Only where <see cref="StageOutput.IsFeatures"/> is asked for.
    /// </summary>
    ReadOnlySpan<float> Features { get; }
}

/// <summary>A column that the stage adds.</summary>
/// <param name="Column">Name, type and annotations.</param>
/// <param name="Getter">Makes the column's getter over a row.</param>
/// <param name="IsFeatures">Whether it needs <see cref="IScoredRow.Features"/>.</param>
internal sealed record StageOutput(DataViewSchema.DetachedColumn Column, Func<IScoredRow, Delegate> Getter, bool IsFeatures = false);

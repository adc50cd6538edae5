namespace RMeeTo.MLNet;

/// <summary>Names of the columns that a fitted stage reads and adds.</summary>
/// <param name="Label">The label column that it was fitted to; not read any more.</param>
/// <param name="Image">The images.</param>
/// <param name="ImageName">Text that names an image, or null: found by its usual name.</param>
/// <param name="Score">Probabilities.</param>
/// <param name="PredictedLabel">The most probable class.</param>
internal sealed record StageColumns(string Label, string Image, string? ImageName, string Score, string PredictedLabel)
{
    /// <summary>Columns of the frames of a clip, in the order of time; null: <see cref="Image"/> holds all that the network looks at.</summary>
    public IReadOnlyList<string>? Frames { get; init; }

    /// <summary>The class token after the final norm, or null.</summary>
    public string? Features { get; init; }

    /// <summary>The most probable classes, or null.</summary>
    public TopKColumns? TopK { get; init; }
}

/// <summary>Names of the columns of the most probable classes.</summary>
/// <param name="Count">How many; no more than there are classes.</param>
/// <param name="Labels">Their labels.</param>
/// <param name="Probabilities">Their probabilities.</param>
internal sealed record TopKColumns(int Count, string Labels, string Probabilities);

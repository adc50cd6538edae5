using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>What became of a checkpoint on its way into a network.</summary>
public sealed record CheckpointReport
{
    /// <summary>One readable line for each thing done; for a log.</summary>
    public IReadOnlyList<string> Lines { get; init; } = [];

    /// <summary>
    /// Classes whose rows of the head come from the checkpoint, found by name. Empty where the head was taken as a whole or has no known names.
    /// </summary>
    public IReadOnlyList<string> KeptClasses { get; init; } = [];

    /// <summary>Classes whose rows of the head are new, random.</summary>
    public IReadOnlyList<string> NewClasses { get; init; } = [];

    /// <summary>False where the head was taken as it is.</summary>
    public bool HeadReplaced { get; init; }

    /// <summary>Whether a position table was interpolated for another image size or another number of frames.</summary>
    public bool PositionsResized { get; init; }

    /// <summary>Whether weights for images became weights for clips.</summary>
    public bool Inflated { get; init; }

    /// <summary>All lines.</summary>
    public override string ToString() => string.Join(Environment.NewLine, Lines);

    /// <summary>Both reports, one after the other.</summary>
    internal CheckpointReport Then(CheckpointReport next) => next with
    {
        Lines = [.. Lines, .. next.Lines],
        KeptClasses = next.HeadReplaced ? next.KeptClasses : KeptClasses,
        NewClasses = next.HeadReplaced ? next.NewClasses : NewClasses,
        HeadReplaced = HeadReplaced || next.HeadReplaced,
        PositionsResized = PositionsResized || next.PositionsResized,
        Inflated = Inflated || next.Inflated,
    };
}

/// <summary>Weights that were adapted, and how.</summary>
/// <param name="Weights">They fit the configuration asked for.</param>
/// <param name="Report">What was done.</param>
public sealed record FittedWeights(VimWeights Weights, CheckpointReport Report);

using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Deit;

/// <summary>What the tokens of a DeiT are compared by; all come from the block in which they merge.</summary>
public enum DeitMetric
{
    /// <summary>The tokens themselves [L, C], after the attention was added (official name <c>X</c>).</summary>
    Tokens,

    /// <summary>The queries, mean over the heads [L, C / H] (official name <c>Q</c>).</summary>
    Queries,

    /// <summary>
    /// The keys, mean over the heads [L, C / H] (official name <c>K</c>): the choice of token merging for transformers (ToMe, arXiv 2210.09461).
    /// </summary>
    Keys,

    /// <summary>The values, mean over the heads [L, C / H] (official name <c>V</c>).</summary>
    Values,
}

/// <summary>How a DeiT chooses and combines tokens (spec 2.8). Which block removes how many is the <see cref="DeitMergeSchedule"/>'s business.</summary>
/// <remarks>
/// Tokens that meet become their mean, weighted by how many original tokens each stands for. The attention of the blocks that follow adds the logarithm of that
/// number to a
/// token's logits as a key, so that a merged token draws as much attention as its parts did.
/// </remarks>
public sealed record DeitMergeOptions
{
    /// <summary>The defaults of the published code: tokens, cosine, merged, original order.</summary>
    public static DeitMergeOptions Default { get; } = new();

    /// <summary>What tokens are compared by.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public DeitMetric Metric { get; init => field = Defined(value, nameof(Metric)); } = DeitMetric.Tokens;

    /// <summary>How far two tokens are apart.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeDistance Distance { get; init => field = Defined(value, nameof(Distance)); } = MergeDistance.Cosine;

    /// <summary>Merge or prune.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeReduction Reduction { get; init => field = Defined(value, nameof(Reduction)); } = MergeReduction.Merge;

    /// <summary>
    /// Order of the tokens afterwards; <see cref="MergeOrder.OddEven"/> is the unmerged tokens of even rows, then those of odd rows, each in the order that
    /// they had.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeOrder Order { get; init => field = Defined(value, nameof(Order)); } = MergeOrder.Original;

    private static T Defined<T>(T value, string name) where T : struct, Enum => Enum.IsDefined(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"DeitMergeOptions.{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");
}

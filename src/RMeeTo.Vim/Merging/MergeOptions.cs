namespace RMeeTo.Vim.Merging;

/// <summary>What happens to a token that is chosen at a merge.</summary>
public enum MergeReduction
{
    /// <summary>It is averaged into its partner, weighted by how many original tokens each stands for.</summary>
    Merge,

    /// <summary>It is dropped.</summary>
    Prune,
}

/// <summary>The order of the tokens after a merge.</summary>
public enum MergeOrder
{
    /// <summary>The order of the image: what a scan needs (paper: ordered).</summary>
    Original,

    /// <summary>The odd–even order of token merging for transformers: unmerged tokens by descending similarity, then all partners. For comparison only.</summary>
    OddEven,
}

/// <summary>How a merge chooses and combines tokens; see spec 2. Which block removes how many is the <see cref="MergeSchedule"/>'s business.</summary>
public sealed record MergeOptions
{
    /// <summary>The paper's defaults: merge, original order.</summary>
    public static MergeOptions Default { get; } = new();

    /// <summary>Merge or prune.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeReduction Reduction { get; init => field = Defined(value, nameof(Reduction)); } = MergeReduction.Merge;

    /// <summary>Order of the tokens afterwards.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeOrder Order { get; init => field = Defined(value, nameof(Order)); } = MergeOrder.Original;

    private static T Defined<T>(T value, string name) where T : struct, Enum => Enum.IsDefined(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"MergeOptions.{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");
}

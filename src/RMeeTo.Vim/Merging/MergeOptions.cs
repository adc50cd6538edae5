namespace RMeeTo.Vim.Merging;

/// <summary>How a merge chooses and combines tokens; see spec 2. Which block removes how many is the <see cref="MergeSchedule"/>'s business.</summary>
/// <remarks>
/// The first group of options exists in the published code (R-MeeTo, arXiv 2412.12496); <see cref="ClassPosition"/> and
/// <see cref="ProtectedNeighbours"/> go beyond it.
/// </remarks>
public sealed record MergeOptions
{
    /// <summary>The paper's defaults: hidden state, cosine, best partner, merged by size, original order.</summary>
    public static MergeOptions Default { get; } = new();

    /// <summary>Merge or prune.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeReduction Reduction { get; init => field = Defined(value, nameof(Reduction)); } = MergeReduction.Merge;

    /// <summary>Order of the tokens afterwards.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeOrder Order { get; init => field = Defined(value, nameof(Order)); } = MergeOrder.Original;

    /// <summary>What tokens are compared by.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeMetric Metric { get; init => field = Defined(value, nameof(Metric)); } = MergeMetric.HiddenState;

    /// <summary>How the two directions make one metric; without meaning for <see cref="MergeMetric.HiddenState"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MetricAlignment MetricAlignment { get; init => field = Defined(value, nameof(MetricAlignment)); } = MetricAlignment.Token;

    /// <summary>How far two tokens are apart.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeDistance Distance { get; init => field = Defined(value, nameof(Distance)); } = MergeDistance.Cosine;

    /// <summary>A token goes to its k-th most similar partner; 1 is the best. The published code knows 1, 3, 5, 7, 14 and 21.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1.</exception>
    public int PartnerRank { get; init => field = AtLeast(1, value, nameof(PartnerRank)); } = 1;

    /// <summary>How tokens that meet become one; without meaning where they are pruned.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeCombination Combination { get; init => field = Defined(value, nameof(Combination)); } = MergeCombination.Sum;

    /// <summary>
    /// Share of the patch tokens whose places are permuted among themselves before every merge: from 0 (none) to below 1. For the study of what order means to
    /// a scan (paper, table 5). Fixed at inference; fresh for every sample of every epoch in re-training.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Below 0, 1 or more, or no number.</exception>
    public double ShuffleRate
    {
        get;
        init => field = value is >= 0 and < 1 ? value : throw new ArgumentOutOfRangeException(nameof(ShuffleRate), value, $"MergeOptions.ShuffleRate is " +
            $"{value}; it must be at least 0 and below 1.");
    }

    /// <summary>Seed of the permutations at inference; in re-training they come from the run's seed.</summary>
    public ulong ShuffleSeed { get; init; }

    /// <summary>Where the class token stands afterwards.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public MergeClassPosition ClassPosition { get; init => field = Defined(value, nameof(ClassPosition)); } = MergeClassPosition.Formula;

    /// <summary>
    /// n: the n patch tokens before and the n after the class token are never removed (others may still be merged into them). At a merge of L tokens at most
    /// ⌈(L−1)/2⌉ − n can go.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public int ProtectedNeighbours { get; init => field = AtLeast(0, value, nameof(ProtectedNeighbours)); }

    /// <summary>True where a combined value has one winner a channel, so that hidden state and residual have gradients of their own.</summary>
    internal bool HasWinners => Reduction == MergeReduction.Merge && Combination is MergeCombination.Max or MergeCombination.Min;

    /// <summary>True where the metric moves with its token in a shuffle.</summary>
    internal bool MetricFollowsTokens => Metric == MergeMetric.HiddenState || MetricAlignment == MetricAlignment.Token;

    /// <summary>Checks what no single property can see.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">An exact class position in another order than the original one.</exception>
    public MergeOptions Validate()
    {
        if (ClassPosition == MergeClassPosition.Exact && (Order != MergeOrder.Original || ShuffleRate > 0))
            throw new ArgumentException($"MergeOptions.ClassPosition is {ClassPosition} with Order {Order} and ShuffleRate {ShuffleRate}; the class token " +
                "has neighbours to stand between only in the original order. Set Order = Original and ShuffleRate = 0, or ClassPosition = Formula.");
        return this;
    }

    /// <summary>Checks that a merge can be carried out by these options.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    internal void Check(MergeStep step)
    {
        Validate();
        if (step.PartnerRows < PartnerRank)
            throw new ArgumentException($"The merge at block {step.Block} has {step.PartnerRows} partners for each of its {step.TokensIn} tokens, and " +
                $"MergeOptions.PartnerRank asks for number {PartnerRank}; lower it, or merge less before.");
        if ((ProtectedNeighbours > 0 || ClassPosition == MergeClassPosition.Exact) && !step.HasClassToken)
            throw new ArgumentException($"MergeOptions.ProtectedNeighbours is {ProtectedNeighbours} and ClassPosition {ClassPosition}, and the merge at " +
                $"block {step.Block} knows no class token; set them to 0 and Formula.");
        int most = step.SourceRows - ProtectedNeighbours;
        if (step.Removed < 1 || step.Removed > most)
            throw new ArgumentException($"{step} removes {step.Removed} of {step.TokensIn} tokens; it can remove from 1 to " +
                $"{most}{(ProtectedNeighbours > 0 ? $" with {ProtectedNeighbours} protected neighbours" : "")}.");
    }

    /// <summary>Checks that a schedule was made for these options and that each of its merges can be carried out.</summary>
    /// <exception cref="ArgumentException">It was not.</exception>
    internal void Check(MergeSchedule schedule, string name)
    {
        Validate();
        if (schedule.IsDense) return;
        if ((schedule.Order, schedule.ProtectedNeighbours) != (Order, ProtectedNeighbours))
            throw new ArgumentException($"The schedule is for the order {schedule.Order} and {schedule.ProtectedNeighbours} protected neighbours, and the " +
                $"merge options say {Order} and {ProtectedNeighbours}; make the schedule with these merge options.", name);
        foreach (var step in schedule.Steps) Check(step);
    }

    private static T Defined<T>(T value, string name) where T : struct, Enum => Enum.IsDefined(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"MergeOptions.{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");

    private static int AtLeast(int least, int value, string name) => value >= least
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"MergeOptions.{name} is {value}; it must be at least {least}.");
}

using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Merge options for tests of whole networks: each option once, and those that touch each other together.</summary>
internal static class MergeVariants
{
    private static readonly Dictionary<string, MergeOptions> s_all = new()
    {
        ["B aligned, L1"] = new() { Metric = MergeMetric.B, Distance = MergeDistance.L1 },
        ["C reference, L2"] = new() { Metric = MergeMetric.C, MetricAlignment = MetricAlignment.Reference, Distance = MergeDistance.L2 },
        ["delta aligned, third"] = new() { Metric = MergeMetric.Delta, PartnerRank = 3 },
        ["delta reference, odd-even"] = new() { Metric = MergeMetric.Delta, MetricAlignment = MetricAlignment.Reference, Order = MergeOrder.OddEven },
        ["mean"] = new() { Combination = MergeCombination.Mean },
        ["max"] = new() { Combination = MergeCombination.Max },
        ["min, odd-even"] = new() { Combination = MergeCombination.Min, Order = MergeOrder.OddEven },
        ["shuffled"] = new() { ShuffleRate = 0.5, ShuffleSeed = 9 },
        ["shuffled, delta, prune"] = new() { ShuffleRate = 0.8, Metric = MergeMetric.Delta, Reduction = MergeReduction.Prune },
        ["exact"] = new() { ClassPosition = MergeClassPosition.Exact },
        ["exact, prune, neighbours"] = new() { ClassPosition = MergeClassPosition.Exact, Reduction = MergeReduction.Prune, ProtectedNeighbours = 1 },
        ["exact, neighbours, min, B"] = new()
        {
            ClassPosition = MergeClassPosition.Exact, ProtectedNeighbours = 1, Combination = MergeCombination.Min, Metric = MergeMetric.B,
        },
    };

    public static IEnumerable<object[]> Names => s_all.Keys.Select(name => new object[] { name });

    public static MergeOptions Named(string name) => s_all[name];
}

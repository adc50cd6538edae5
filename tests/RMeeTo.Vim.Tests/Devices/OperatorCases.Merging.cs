using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Devices;

internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Merges()
    {
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 3))
        {
            var options = new MergeOptions { Reduction = (MergeReduction)(i % 2), Order = (MergeOrder)(i / 2 % 2) };
            int most = (length - 1) / 2, removed = (i % 3) switch { 0 => 1, 1 => (most + 1) / 2, _ => most };
            int row = (i % 4) switch { 0 => 0, 1 => length - 1, _ => (length - 1) / 2 };
            var step = Step(length, removed, row, options);
            yield return new($"Merge L{length} -{removed} class {row} C{channels} B{batch} {options.Reduction} {options.Order} {layout}", length, layout,
                b => Merge(b, batch, channels, metricWidth: 8 + i % 11, step, options));
        }
    }

    /// <summary>Every option alone over all lengths, and a choice of them together.</summary>
    private static IEnumerable<OperatorCase> MergeVariants()
    {
        MergeOptions plain = MergeOptions.Default, prune = plain with { Reduction = MergeReduction.Prune }, oddEven = plain with { Order = MergeOrder.OddEven };
        MergeOptions exact = plain with { ClassPosition = MergeClassPosition.Exact };
        MergeOptions delta = plain with { Metric = MergeMetric.Delta, MetricAlignment = MetricAlignment.Reference };
        (string Name, MergeOptions Options)[] variants =
        [
            ("L1", plain with { Distance = MergeDistance.L1 }), ("L2 odd-even", oddEven with { Distance = MergeDistance.L2 }),
            ("third", plain with { PartnerRank = 3 }), ("fourteenth L1", plain with { PartnerRank = 14, Distance = MergeDistance.L1 }),
            ("mean", plain with { Combination = MergeCombination.Mean }), ("max", plain with { Combination = MergeCombination.Max }),
            ("min odd-even", oddEven with { Combination = MergeCombination.Min }),
            ("max pruned", prune with { Combination = MergeCombination.Max }),
            ("shuffled", plain with { ShuffleRate = 0.6 }), ("shuffled odd-even prune", prune with { ShuffleRate = 0.9, Order = MergeOrder.OddEven }),
            ("shuffled delta", delta with { ShuffleRate = 0.5 }),
            ("exact", exact), ("exact prune", exact with { Reduction = MergeReduction.Prune }),
            ("exact min third", exact with { Combination = MergeCombination.Min, PartnerRank = 3 }),
            ("protected", plain with { ProtectedNeighbours = 2 }), ("protected odd-even", oddEven with { ProtectedNeighbours = 1 }),
            ("protected shuffled", plain with { ProtectedNeighbours = 2, ShuffleRate = 0.5 }),
            ("all", exact with
            {
                ProtectedNeighbours = 3, Combination = MergeCombination.Max, Distance = MergeDistance.L1, PartnerRank = 2,
            }),
        ];
        foreach (var (v, (name, options)) in variants.Index())
            foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 3, rounds: 1))
            {
                bool without = i % 5 == v % 5 && options is { ClassPosition: MergeClassPosition.Formula, ProtectedNeighbours: 0 };
                int row = without ? -1 : (i + v) % 3 == 0 ? 0 : (length - 1) / 2;
                int most = MergeSchedule.Removable(length, row, options.ProtectedNeighbours);
                int removed = (i % 3) switch { 0 => 1, 1 => (most + 1) / 2, _ => most };
                if (most == 0 || (without ? length : length - 1) / 2 < options.PartnerRank) continue;
                var step = Step(length, removed, row, options);
                yield return new($"Merge {name} L{length} -{removed} class {row} C{channels} B{batch} {layout}", length, layout,
                    b => Merge(b, batch, channels, metricWidth: 8 + i % 11, step, options));
            }
    }

    /// <summary>What a merge is decided by, of both directions.</summary>
    private static IEnumerable<OperatorCase> MergeEvidence()
    {
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 1, rounds: 1))
            yield return new($"AddMetric L{length} C{channels} B{batch} {layout}", 0, layout, b =>
            {
                var placement = (MetricPlacement)(i % 2);
                DeviceMatrix forward = b.Input("forward", batch * length, channels), backward = b.Input("backward", batch * length, channels);
                DeviceMatrix metric = b.Output("metric", batch * length, channels);
                b.Forward(() =>
                {
                    b.Device.AddMetric(batch, forward, 0.5f, MetricPlacement.Straight, metric);
                    b.Device.AddMetric(batch, backward, 0.5f, placement, metric, accumulate: true);
                });
            });
    }

    private static MergeStep Step(int length, int removed, int row, MergeOptions options) =>
        new(0, length, removed, row, MergeSchedule.NextClassRow(row, length, removed, options.Order));

    private static void Merge(OperatorBench b, int batch, int channels, int metricWidth, MergeStep step, MergeOptions options)
    {
        var metric = b.Input("metric", batch * step.TokensIn, metricWidth);
        var sizes = metricWidth % 3 == 0 ? default : b.Input("sizes", batch * step.TokensIn, 1, 1, 4); // none: every row stands for one
        var source = b.Input("source", batch * step.TokensIn, channels);
        var merged = b.Output("merged sizes", batch * step.TokensOut, 1, tolerance: Tolerances.Merge);
        var destination = b.Output("destination", batch * step.TokensOut, channels, tolerance: Tolerances.Merge);
        var winners = options.HasWinners ? b.Output("winners", batch * step.TokensOut, channels, tolerance: Tolerances.Exact) : default;
        MergePlan plan = b.Device.CreateMergePlan(batch + 1, step, options);
        for (int image = 0; image < batch && options.ShuffleRate > 0; image++) plan.SetRowOrder(image, Shuffled(step, image));
        b.Forward(() =>
        {
            b.Device.Match(batch, new() { Metric = metric, Sizes = sizes }, plan, merged);
            b.Device.Merge(batch, plan, source, destination, winners);
        });
        var (dDestination, dSource) = (b.Cotangent(destination), b.Gradient(source, tolerance: Tolerances.Merge));
        b.Backward(() => b.Device.MergeGradient(batch, plan, dDestination, dSource, winners));
        b.Extra("plan destinations", Tolerances.Exact, () => ReadPlan(plan, batch, (rows, _) => rows.Select(r => (double)r)));
        b.Extra("plan weights", Tolerances.Merge, () => ReadPlan(plan, batch, (_, weights) => weights.Select(w => (double)w)));
        if (step.HasClassToken) b.Extra("class rows", Tolerances.Merge, () => ReadClassRows(b.Device, plan, batch, channels, destination));
    }

    /// <summary>Every patch row anywhere, the class row in its place.</summary>
    private static int[] Shuffled(MergeStep step, int seed)
    {
        int[] rows = [.. Enumerable.Range(0, step.TokensIn).Where(row => row != step.ClassRowIn)];
        new Random(seed).Shuffle(rows);
        return step.HasClassToken ? [.. rows[..step.ClassRowIn], step.ClassRowIn, .. rows[step.ClassRowIn..]] : rows;
    }

    /// <summary>The class rows gathered, then scattered again.</summary>
    private static double[] ReadClassRows(VimDevice device, MergePlan plan, int batch, int channels, DeviceMatrix destination)
    {
        DeviceMatrix rows = new(device.Allocate(batch * channels), batch, channels);
        DeviceMatrix back = new(device.Allocate(destination.Rows * channels), destination.Rows, channels);
        device.GatherClassRows(plan, destination, rows);
        device.ScatterClassRows(plan, rows, back);
        return [.. Golden.DeviceValues.Values(rows), .. Golden.DeviceValues.Values(back)];
    }

    private static double[] ReadPlan(MergePlan plan, int batch, Func<int[], float[], IEnumerable<double>> select)
    {
        var values = new List<double>();
        for (int image = 0; image < batch; image++)
        {
            var (rows, weights) = (new int[plan.Step.TokensIn], new float[plan.Step.TokensIn]);
            plan.Read(image, rows, weights);
            values.AddRange(select(rows, weights));
        }
        return [.. values];
    }
}

using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>The table that the operators of a transformer are held to: lengths from 1 up, odd widths, heads, strided operands, one to three images.</summary>
internal static class DeitOperatorCases
{
    private static readonly int[] s_lengths = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 50, 98, 197];
    private static readonly int[] s_widths = [1, 8, 3, 16, 5, 33, 64];

    public static IReadOnlyList<OperatorCase> All { get; } = [.. Attention(), .. Gelu(), .. Heads(), .. Merges()];

    public static OperatorCase Find(string name) => All.Single(c => c.Name == name);

    private static IEnumerable<OperatorCase> Attention()
    {
        for (int i = 0; i < 2 * s_lengths.Length; i++)
        {
            int length = s_lengths[i % s_lengths.Length], width = s_widths[i % s_widths.Length], heads = 1 + i % 4, batch = 1 + i % 3;
            var layout = (OperandLayout)(i / s_lengths.Length);
            bool sized = i % 2 == 0;
            yield return new($"Attention L{length} of {heads} heads of {width} B{batch} {layout}{(sized ? " sized" : "")}", length, layout, b =>
            {
                var operators = DeitOperators.For(b.Device);
                int rows = batch * length, channels = heads * width;
                var qkv = b.Input("qkv", rows, 3 * channels, -2, 2);
                var sizes = sized ? b.Input("sizes", rows, 1, 1, 9) : default;
                var probabilities = b.Output("probabilities", heads * rows, DeitOperators.ProbabilityColumns(length));
                var output = b.Output("output", rows, channels);
                var alone = b.Output("output without probabilities", rows, channels);
                b.Forward(() =>
                {
                    operators.Attention(batch, heads, qkv, sizes, probabilities, output);
                    operators.Attention(batch, heads, qkv, sizes, default, alone);
                });
                var dOutput = b.Cotangent(output);
                var dQkv = b.Gradient(qkv);
                b.Backward(() => operators.AttentionGradient(batch, heads, qkv, probabilities, dOutput, dQkv));
            });
        }
    }

    private static IEnumerable<OperatorCase> Gelu()
    {
        for (int i = 0; i < 40; i++)
        {
            int rows = 1 + i % 3, columns = 1 + i * 7 % 53;
            var layout = (OperandLayout)(i % 2);
            yield return new($"Gelu {rows}x{columns} {layout} {i}", 1, layout, b =>
            {
                var operators = DeitOperators.For(b.Device);
                var x = b.Input("x", rows, columns, -7, 7);
                var y = b.Output("y", rows, columns, tolerance: Tolerances.Merge);
                b.Forward(() => operators.Gelu(x, y));
                var dy = b.Cotangent(y);
                var dx = b.Gradient(x, tolerance: Tolerances.Merge);
                b.Backward(() => operators.GeluGradient(x, dy, dx));
            });
        }
    }

    private static IEnumerable<OperatorCase> Heads()
    {
        foreach (var (width, heads, layout) in new[] { (1, 1, OperandLayout.Dense), (5, 3, OperandLayout.Strided), (64, 6, OperandLayout.Dense), (33, 2, OperandLayout.Strided) })
            yield return new($"Mean of {heads} heads of {width} {layout}", 1, layout, b =>
            {
                var operators = DeitOperators.For(b.Device);
                var x = b.Input("x", 7, heads * width);
                var mean = b.Output("mean", 7, width, tolerance: Tolerances.Merge);
                b.Forward(() => operators.MeanOfHeads(heads, x, mean));
            });
    }

    private static IEnumerable<OperatorCase> Merges()
    {
        var variants = from order in Enum.GetValues<MergeOrder>() from reduction in Enum.GetValues<MergeReduction>() from distance in Enum.GetValues<MergeDistance>() select (order, reduction, distance);
        int i = 0;
        foreach (var (order, reduction, distance) in variants)
            foreach (int length in s_lengths.Where(l => l >= 3))
            {
                int removed = 1 + i % ((length - 1) / 2), batch = 1 + i % 3, channels = s_widths[i % s_widths.Length] + 1;
                var layout = (OperandLayout)(i % 2);
                bool sized = i++ % 2 == 0;
                var options = new DeitMergeOptions { Order = order, Reduction = reduction, Distance = distance };
                yield return new($"Merge L{length} r{removed} C{channels} B{batch} {order} {reduction} {distance} {layout}{(sized ? " sized" : "")}", length, layout, b =>
                    Merge(b, new DeitMergePlan(batch, length, removed, options), channels, sized));
            }
    }

    private static void Merge(OperatorBench b, DeitMergePlan plan, int channels, bool sized)
    {
        var operators = DeitOperators.For(b.Device);
        int batch = plan.BatchCapacity;
        var metric = b.Input("metric", batch * plan.TokensIn, channels + 3);
        var sizes = sized ? b.Parameter("sizes", batch * plan.TokensIn, 1, 1, 5) : default;
        var merged = new DeviceMatrix(b.Device.Allocate(batch * plan.TokensOut), batch * plan.TokensOut, 1);
        var x = b.Input("x", batch * plan.TokensIn, channels);
        var y = b.Output("y", batch * plan.TokensOut, channels, tolerance: Tolerances.Merge);
        b.Forward(() =>
        {
            operators.Match(batch, metric, sizes, plan, merged);
            operators.Merge(batch, plan, x, y);
        });
        b.Extra("merged sizes", Tolerances.Merge, () => Golden.GoldenRun.Read(merged));
        b.Extra("destinations", Tolerances.Exact, () => [.. plan.Destinations.Select(d => (double)d)]);
        var dy = b.Cotangent(y);
        var dx = b.Gradient(x, tolerance: Tolerances.Merge);
        b.Backward(() => operators.MergeGradient(batch, plan, dy, dx));
    }
}

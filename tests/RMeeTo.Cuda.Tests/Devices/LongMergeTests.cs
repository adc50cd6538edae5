using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Merges of more tokens than one tile of a kernel, or one block, holds; and a merge that is recorded.</summary>
[TestClass]
public sealed class LongMergeTests
{
    private const int Batch = 2;

    public static IEnumerable<object[]> Merges
    {
        get
        {
            MergeOptions plain = MergeOptions.Default, oddEven = plain with { Order = MergeOrder.OddEven };
            // Tokens, removed, class row, channels of the metric, options, all rows equal.
            return
            [
                [1100, 130, 549, 36, plain, false],
                [1100, 549, 0, 33, plain with { ShuffleRate = 0.7, Combination = MergeCombination.Mean }, false],
                [1100, 549, 1099, 5, plain, true], // one partner for all
                [600, 77, 300, 40, oddEven with { PartnerRank = 3, Distance = MergeDistance.L2 }, false],
                [601, 200, 20, 37, plain with
                {
                    ClassPosition = MergeClassPosition.Exact, Distance = MergeDistance.L1, Combination = MergeCombination.Max, ProtectedNeighbours = 2,
                }, false],
                [2100, 1000, -1, 9, plain with { Reduction = MergeReduction.Prune }, false],
            ];
        }
    }

    [TestMethod]
    [DynamicData(nameof(Merges))]
    public void Long_sequences_are_merged_as_short_ones(int tokens, int removed, int classRow, int channels, MergeOptions options, bool equal)
    {
        var step = new MergeStep(0, tokens, removed, classRow, MergeSchedule.NextClassRow(classRow, tokens, removed, options.Order));
        using var reference = new ReferenceDevice();
        using CudaContext context = DevicesUnderTest.Emulated(Emulation.LaunchOrder.Shuffled, 1);
        using var device = new CudaDevice(context);
        foreach (var ((name, values), (_, right)) in Run(device, step, channels, options, equal).Zip(Run(reference, step, channels, options, equal)))
            Tolerances.AssertClose(name, values, right, name == "destinations" ? Tolerances.Exact : Tolerances.Merge);
    }

    /// <summary>Where the similarities of all images do not fit, images go one after the other.</summary>
    [TestMethod]
    public void A_third_partner_is_found_in_little_memory_too()
    {
        var options = new MergeOptions { PartnerRank = 3 };
        var step = new MergeStep(0, 100, 20, 50, MergeSchedule.NextClassRow(50, 100, 20, options.Order));
        using CudaContext context = DevicesUnderTest.Emulated(Emulation.LaunchOrder.Forward);
        using CudaDevice device = new(context), small = new(context) { MostSimilarities = 1 };
        foreach (var ((name, values), (_, right)) in Run(small, step, 7, options, false).Zip(Run(device, step, 7, options, false)))
            CollectionAssert.AreEqual(right, values, name);
    }

    /// <summary>Nothing is read back, allocated or uploaded between the values and the merged ones.</summary>
    [TestMethod]
    public void A_merge_can_be_recorded()
    {
        const int tokens = 37, removed = 6, channels = 12;
        using CudaContext context = DevicesUnderTest.Emulated(Emulation.LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        var options = new MergeOptions { PartnerRank = 2 };
        using MergePlan plan = device.CreateMergePlan(Batch, new(0, tokens, removed, 18, 15), options);
        double[] first = Draw(1, Batch * tokens * channels), second = Draw(2, Batch * tokens * channels);
        DeviceMatrix x = device.Matrix(Batch * tokens, channels, first);
        DeviceMatrix sizes = device.Matrix(Batch * plan.Step.TokensOut, 1), merged = device.Matrix(Batch * plan.Step.TokensOut, channels);
        Merge();
        x.Write(second);
        Merge();
        double[] expected = merged.Values();

        context.Runtime.BeginCapture();
        Merge();
        nint graph = context.Runtime.EndCapture();
        x.Write(first);
        context.Runtime.LaunchGraph(graph);
        CollectionAssert.AreNotEqual(expected, merged.Values());
        x.Write(second);
        context.Runtime.LaunchGraph(graph);
        CollectionAssert.AreEqual(expected, merged.Values());
        context.Runtime.FreeGraph(graph);

        void Merge()
        {
            device.Match(Batch, new() { Metric = x }, plan, sizes);
            device.Merge(Batch, plan, x, merged);
        }
    }

    private static List<(string Name, double[] Values)> Run(VimDevice device, MergeStep step, int channels, MergeOptions options, bool equal)
    {
        const int width = 3;
        double[] values = Draw(3, Batch * step.TokensIn * channels);
        DeviceMatrix metric = device.Matrix(Batch * step.TokensIn, channels, equal ? [.. values.Select((_, i) => values[i % channels])] : values);
        DeviceMatrix sizes = device.Matrix(Batch * step.TokensIn, 1, [.. Draw(4, Batch * step.TokensIn).Select(v => Math.Round(3 + 2 * v))]);
        DeviceMatrix source = device.Matrix(Batch * step.TokensIn, width, Draw(5, Batch * step.TokensIn * width));
        DeviceMatrix mergedSizes = device.Matrix(Batch * step.TokensOut, 1), merged = device.Matrix(Batch * step.TokensOut, width);
        DeviceMatrix winners = device.Matrix(Batch * step.TokensOut, width), gradient = device.Matrix(Batch * step.TokensIn, width);
        using MergePlan plan = device.CreateMergePlan(Batch, step, options);
        for (int image = 0; image < Batch && options.ShuffleRate > 0; image++)
        {
            int[] rows = [.. Enumerable.Range(0, step.TokensIn)];
            new Random(image).Shuffle(rows.AsSpan(1)); // the class token is the first
            plan.SetRowOrder(image, rows);
        }
        device.Match(Batch, new() { Metric = metric, Sizes = sizes }, plan, mergedSizes);
        device.Merge(Batch, plan, source, merged, winners);
        device.MergeGradient(Batch, plan, merged, gradient, winners);
        var results = new List<(string, double[])>
        {
            ("merged sizes", mergedSizes.Values()), ("merged", merged.Values()), ("gradient", gradient.Values()), ("winners", winners.Values()),
        };
        for (int image = 0; image < Batch; image++)
        {
            var (rows, weights) = (new int[step.TokensIn], new float[step.TokensIn]);
            plan.Read(image, rows, weights);
            results.Add(("destinations", [.. rows.Select(row => (double)row)]));
            results.Add(("weights", [.. weights.Select(weight => (double)weight)]));
        }
        return results;
    }

    /// <summary>Values from −1 to 1 that a float holds exactly.</summary>
    private static double[] Draw(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (double)(2 * random.NextSingle() - 1))];
    }
}

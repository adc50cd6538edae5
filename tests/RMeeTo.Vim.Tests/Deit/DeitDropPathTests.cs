using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>Stochastic depth of a transformer: both branches of a block.</summary>
[TestClass]
public sealed class DeitDropPathTests
{
    private const int Batch = 6;
    private static readonly DropPath s_dropPath = new(0.6);
    private static readonly DeitMergeSchedule s_merged = DeitMergeSchedule.Uniform(DeitTask.Config, 5);

    /// <summary>
    /// An image with some branches dropped sees the network whose projections and MLP outputs are multiplied by its factors. Merges decide alike: they see the
    /// tokens after the addition (spec 2.8).
    /// </summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(5)]
    public void AnImageSeesTheNetworkWithItsBranchesScaled(int tokensPerMerge)
    {
        using var device = new ReferenceDevice();
        var (weights, schedule) = (Weights(), DeitMergeSchedule.Uniform(DeitTask.Config, tokensPerMerge));
        using var run = new DeitRun(device, weights, schedule, DeitMergeOptions.Default, Batch, dropPath: s_dropPath);
        run.Forward(Images());
        double[] logits = run.Logits;
        double[][] factors = run.BranchFactors;
        Assert.IsTrue(factors.Skip(2).All(f => f.Distinct().Count() == 2), "every branch but the first block's is dropped for some, not for all");
        Assert.IsFalse(Enumerable.Range(1, 2).All(i => factors[2 * i].SequenceEqual(factors[2 * i + 1])), "the branches of a block are drawn apart");
        for (int image = 0; image < Batch; image++)
        {
            using var scaled = new DeitRun(device, weights, schedule, DeitMergeOptions.Default, Batch, forTraining: false);
            for (int block = 0; block < DeitTask.Config.Depth; block++)
            {
                var p = weights.Parameters.Blocks[block];
                Scale(scaled.Weights, p.Projection, factors[2 * block][image]);
                Scale(scaled.Weights, p.Output, factors[2 * block + 1][image]);
            }
            foreach (var linear in scaled.Weights.Linear) device.Refresh(linear);
            scaled.Forward(Images());
            Tolerances.AssertClose($"image {image}", logits[(3 * image)..(3 * image + 3)], scaled.Logits[(3 * image)..(3 * image + 3)], 1e-11);
        }
    }

    /// <summary>Logits and gradients are the reference device's, and a workspace without a backward pass computes the same bits.</summary>
    [TestMethod]
    public void TheCpuComputesWhatTheReferenceDoes()
    {
        var weights = Weights();
        int[] labels = [0, 1, 2, 0, 1, 2];
        using var reference = new ReferenceDevice();
        using var expected = new DeitRun(reference, weights, s_merged, DeitMergeOptions.Default, Batch, dropPath: s_dropPath);
        Train(expected);
        foreach (var width in SimdWidths.Supported)
        {
            using var device = CpuDevice.Create(width);
            using var actual = new DeitRun(device, weights, s_merged, DeitMergeOptions.Default, Batch, dropPath: s_dropPath);
            Train(actual);
            Tolerances.AssertClose($"{width}: logits", actual.Logits, expected.Logits, 2e-5);
            foreach (var p in weights.Parameters.All) Tolerances.AssertClose($"{width}: {p.Name}", actual.Gradient(p), expected.Gradient(p), 2e-4);
            using var inference = new DeitRun(device, weights, s_merged, DeitMergeOptions.Default, Batch, forTraining: false, s_dropPath);
            inference.Forward(Images());
            CollectionAssert.AreEqual(actual.Logits, inference.Logits, $"{width}");
            inference.Forward(Images(), (_, _, _) => { });
            CollectionAssert.AreEqual(actual.Logits, inference.Logits, $"{width}, the last block whole");
            using var two = new DeitRun(device, weights, s_merged, DeitMergeOptions.Default, 2, forTraining: false, s_dropPath);
            two.Forward(Images()[..(2 * DeitTask.Config.InputLength)]);
            CollectionAssert.AreEqual(actual.Logits[..6], two.Logits, $"{width}, two of the images");
        }

        void Train(DeitRun run)
        {
            run.Forward(Images());
            run.CrossEntropy(labels);
            run.Backward();
        }
    }

    private static float[] Images()
    {
        var random = new Random(4);
        return [.. Enumerable.Range(0, Batch * DeitTask.Config.InputLength).Select(_ => random.NextSingle() * 2 - 1)];
    }

    private static DeitWeights Weights()
    {
        var weights = DeitInitializer.Create(DeitTask.Config, 2);
        var random = new Random(5);
        foreach (ref float value in weights.Values.AsSpan()) value += (random.NextSingle() - 0.5f) * 0.3f;
        return weights;
    }

    private static void Scale(DeviceWeights weights, DeitLinear layer, double factor)
    {
        double[] values = ((ReferenceBuffer)weights.Values).Values;
        foreach (var p in new[] { layer.Weight, layer.Bias })
            for (long i = p.Offset; i < p.Offset + p.Length; i++) values[i] *= factor;
    }
}

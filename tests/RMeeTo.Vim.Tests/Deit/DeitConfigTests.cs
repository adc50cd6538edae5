using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Deit;

[TestClass]
public sealed class DeitConfigTests
{
    [TestMethod]
    public void SchedulesCountAsThePaperDoes()
    {
        var schedule = DeitMergeSchedule.Uniform(DeitConfig.DeitSmall, 11);
        CollectionAssert.AreEqual(Enumerable.Range(0, 12).Select(i => 197 - 11 * i).ToArray(), schedule.AttendedPerBlock.ToArray());
        Assert.AreEqual(5.5 * 11 / 197, schedule.ReductionRatio, 1e-12);
        Assert.AreEqual(197 - 12 * 11, schedule.TokensPerBlock[^1]);
        Assert.IsTrue(DeitMergeSchedule.Dense(DeitConfig.DeitSmall).IsDense);
        Assert.AreEqual("197 → 65 tokens, 12 merges, reduction ratio 0.31", schedule.ToString());
    }

    /// <summary>The figures of the DeiT paper's table, and one schedule worked out by hand.</summary>
    [TestMethod]
    public void CostsAreThoseOfThePaper()
    {
        Assert.AreEqual(1.3, DeitCost.Of(DeitConfig.DeitTiny).Total, 0.05);
        Assert.AreEqual(4.6, DeitCost.Of(DeitConfig.DeitSmall).Total, 0.05);
        Assert.AreEqual(17.6, DeitCost.Of(DeitConfig.DeitBase).Total, 0.05);
        var config = new DeitConfig { ImageHeight = 8, ImageWidth = 8, PatchSize = 4, Width = 6, Depth = 1, Heads = 2, MlpRatio = 1, Classes = 3 };
        // 5 tokens, then 4: ends 4·6·48 + 18, attention 5·(144 + 60), MLP 2·4·36, merge 6·5·3 + 2·3·2.5² + 6.
        var cost = DeitCost.Of(config, DeitMergeSchedule.Uniform(config, 1), new DeitMergeOptions { Metric = DeitMetric.Keys });
        Assert.AreEqual((1170 + 1020 + 288 + 133.5) / 1e9, cost.Total, 1e-18);
        Assert.AreEqual(133.5 / 1e9, cost.Merging, 1e-18);
        Assert.ThrowsExactly<ArgumentException>(() => DeitCost.Of(DeitConfig.DeitTiny, DeitMergeSchedule.Dense(config)));
    }

    [TestMethod]
    public void AtMostHalfOfThePatchesGo()
    {
        var config = new DeitConfig { ImageHeight = 48, ImageWidth = 48, PatchSize = 8, Depth = 6 };
        CollectionAssert.AreEqual(new[] { 19, 10, 6, 4, 3, 2 }, DeitMergeSchedule.Uniform(config, 50).TokensPerBlock.ToArray());
    }

    [TestMethod]
    public void ValuesOutOfRangeAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DeitConfig { Heads = 0 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DeitConfig { NormEpsilon = 0 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DeitMergeOptions { Metric = (DeitMetric)9 });
        Assert.Contains("192 does not divide by 5 heads",
            Assert.ThrowsExactly<ArgumentException>(() => (DeitConfig.DeitTiny with { Heads = 5 }).Validate()).Message);
        Assert.ThrowsExactly<ArgumentException>(() => (DeitConfig.DeitTiny with { ImageWidth = 8 }).Validate());
        Assert.ThrowsExactly<ArgumentException>(() => (DeitConfig.DeitTiny with { ImageWidth = 1 << 20, ImageHeight = 1 << 20, PatchSize = 1 }).Validate());
        Assert.ThrowsExactly<ArgumentException>(() => DeitMergeSchedule.Custom(DeitConfig.DeitTiny, [1, 2]));
        Assert.ThrowsExactly<ArgumentException>(() => DeitMergeSchedule.Custom(DeitConfig.DeitTiny, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -3, 0]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => DeitMergeSchedule.Uniform(DeitConfig.DeitTiny, -1));
    }

    [TestMethod]
    public void WeightsAndWorkspacesOfOthersAreRefused()
    {
        using var device = new ReferenceDevice();
        using var vim = new DeviceWeights(device, VimInitializer.Create(Retraining.TinyTask.Config, 1), forTraining: false);
        using var deit = new DeviceWeights(device, DeitTask.Model().Weights, forTraining: false);
        Assert.Contains("DeitWeights",
            Assert.ThrowsExactly<ArgumentException>(() => new DeitNetwork(vim, DeitMergeSchedule.Dense(DeitTask.Config), DeitMergeOptions.Default)).Message);
        Assert.Contains("VimWeights",
            Assert.ThrowsExactly<ArgumentException>(() => new VimNetwork(deit, MergeSchedule.Dense(Retraining.TinyTask.Config), MergeOptions.Default)).Message);
        var network = new DeitNetwork(deit, DeitMergeSchedule.Dense(DeitTask.Config), DeitMergeOptions.Default);
        var merging = new DeitNetwork(deit, DeitMergeSchedule.Uniform(DeitTask.Config, 2), DeitMergeOptions.Default);
        using var workspace = network.CreateWorkspace(device, 1, forTraining: false);
        Assert.ThrowsExactly<ArgumentException>(() => merging.Forward(device, workspace, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => network.Forward(device, workspace, 2));
        using var gradients = new ParameterBuffer(device, deit.Parameters);
        Assert.ThrowsExactly<InvalidOperationException>(() => network.Backward(device, workspace, 1, gradients));
    }

    /// <summary>
    /// A whole network in double: the gradient of every kind of parameter is the slope of the loss. Merges are held: they decide alike on both sides of so
    /// small a step.
    /// </summary>
    [TestMethod]
    [DataRow(0, 0.0)]
    [DataRow(5, 0.0)]
    [DataRow(0, 0.5)]
    [DataRow(5, 0.7)]
    public void GradientsAreCentralDifferences(int tokensPerMerge, double dropPath)
    {
        var config = DeitTask.Config;
        using var device = new ReferenceDevice();
        var merging = new DeitMergeOptions { Metric = DeitMetric.Keys, Order = MergeOrder.OddEven };
        using var run = new DeitRun(device, DeitInitializer.Create(config, 2), DeitMergeSchedule.Uniform(config, tokensPerMerge), merging, batch: 2,
            dropPath: new DropPath(dropPath));
        var random = new Random(5);
        var parameters = new DeitParameters(config);
        var values = ((ReferenceBuffer)run.Weights.Values).Values;
        foreach (var parameter in parameters.All)
            for (int i = 0; i < parameter.Length; i++) values[parameter.Offset + i] += 0.3 * (random.NextDouble() - 0.5);
        float[] images = [.. Enumerable.Range(0, 2 * 3 * 24 * 24).Select(_ => random.NextSingle() * 2 - 1)];
        int[] labels = [0, 2];

        Loss();
        if (dropPath > 0) Assert.IsTrue(run.BranchFactors.Any(f => f.Contains(0) && f.Any(factor => factor > 1)), "the images lose different branches");
        run.Backward();
        foreach (var parameter in parameters.All)
        {
            double[] gradient = run.Gradient(parameter);
            for (int k = 0; k < 3; k++)
            {
                int i = random.Next(parameter.Length);
                const double step = 1e-5;
                ref double value = ref values[parameter.Offset + i];
                double kept = value;
                value = kept + step;
                double above = Loss();
                value = kept - step;
                double below = Loss();
                value = kept;
                Assert.AreEqual((above - below) / (2 * step), gradient[i], 1e-8, $"{parameter.Name}[{i}]");
            }
        }

        double Loss()
        {
            run.Forward(images);
            return run.CrossEntropy(labels);
        }
    }
}

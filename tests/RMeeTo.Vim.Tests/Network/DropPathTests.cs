using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Stochastic depth of a Vision Mamba: what is dropped, that nothing else is, and when.</summary>
[TestClass]
public sealed class DropPathTests
{
    private static readonly VimConfig s_config = TinyTask.Config with { Depth = 5, ProjectionBias = true };

    /// <summary>[0] followed by depth values from 0 to the rate; the addition before the final norm has the rate itself (spec 1.1).</summary>
    [TestMethod]
    public void RatesRiseLinearly()
    {
        double[] vim = new DropPath(0.1).VimRates(24);
        Assert.HasCount(25, vim);
        Assert.AreEqual((0, 0), (vim[0], vim[1]));
        for (int i = 1; i < 24; i++) Assert.AreEqual(0.1 * (i - 1) / 23, vim[i], 1e-15, $"block {i}");
        Assert.AreEqual(0.1, vim[24]);
        CollectionAssert.AreEqual(new[] { 0, 0.3 }, new DropPath(0.3).VimRates(1));
        double[] deit = new DropPath(0.1).DeitRates(12);
        Assert.HasCount(24, deit);
        for (int i = 0; i < 24; i++) Assert.AreEqual(0.1 * (i / 2) / 11, deit[i], 1e-15, $"branch {i}");
        CollectionAssert.AreEqual(new double[2], new DropPath(0.3).DeitRates(1));
    }

    [TestMethod]
    [DataRow(-0.1)]
    [DataRow(0.91)]
    [DataRow(double.NaN)]
    public void ARateOutOfRangeIsNamed(double rate)
    {
        Assert.Contains($"DropPath is {rate}", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DropPath(rate)).Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DropPath() with { Rate = rate });
    }

    /// <summary>An image with some branches dropped sees the network whose mixers' output weights are multiplied by its factors.</summary>
    [TestMethod]
    public void AnImageSeesTheNetworkWithItsBranchesScaled()
    {
        using var device = new ReferenceDevice();
        var weights = Weights();
        using var run = new VimRun(device, weights, MergeSchedule.Dense(s_config), 6, forTraining: true, new DropPath(0.6));
        double[] logits = run.Logits(), factors = [.. Enumerable.Range(1, s_config.Depth).SelectMany(run.Factors)]; // [depth, 6]
        Assert.IsTrue(factors.Contains(0) && factors.Any(f => f > 1.5), "some are dropped, some are not");
        using var plain = new VimRun(device, weights, MergeSchedule.Dense(s_config), 6, forTraining: true);
        CollectionAssert.AreNotEqual(plain.Logits(), logits);
        for (int image = 0; image < 6; image++)
        {
            using var scaled = new VimRun(device, weights, MergeSchedule.Dense(s_config), 6, forTraining: false);
            for (int block = 0; block < s_config.Depth; block++) scaled.ScaleBranch(block, factors[6 * block + image]);
            Tolerances.AssertClose($"image {image}", logits[(3 * image)..(3 * image + 3)], scaled.Logits()[(3 * image)..(3 * image + 3)], 1e-11);
        }
    }

    /// <summary>With merges as well, where all branches are kept: a branch that counts for more is merged as ever.</summary>
    [TestMethod]
    public void AKeptImageSeesTheScaledNetworkWithItsMerges()
    {
        using var device = new ReferenceDevice();
        var (weights, schedule) = (Weights(), MergeSchedule.Uniform(s_config, 6, interval: 1));
        using var run = new VimRun(device, weights, schedule, 1, forTraining: true, new DropPath(0.6));
        double[] factors = run.KeyWhere(f => f.Skip(1).All(factor => factor > 0));
        using var scaled = new VimRun(device, weights, schedule, 1, forTraining: false);
        for (int block = 0; block < s_config.Depth; block++) scaled.ScaleBranch(block, factors[block + 1]);
        Tolerances.AssertClose("logits", run.Logits(), scaled.Logits(), 1e-10);
        CollectionAssert.AreEqual(scaled.Decisions(2), run.Decisions(2));
    }

    /// <summary>Tokens are compared by the mixer's output, not by what is left of it (spec 2.1).</summary>
    [TestMethod]
    public void AMergeSeesTheBranchBeforeItIsDropped()
    {
        foreach (string name in DevicesUnderTest.Names)
        {
            using var device = DevicesUnderTest.Create(name);
            var schedule = MergeSchedule.Uniform(s_config, 6, interval: 2);
            using var run = new VimRun(device, Weights(), schedule, 1, forTraining: true, new DropPath(0.9));
            run.KeyWhere(factors => factors[2] == 0);
            using var plain = new VimRun(device, Weights(), schedule, 1, forTraining: true);
            plain.Logits();
            run.Logits();
            CollectionAssert.AreEqual(plain.Decisions(2), run.Decisions(2), name);
            Assert.Contains(row => row != 0, run.Decisions(2));
        }
    }

    [TestMethod]
    public void ARateOfZeroIsTheNetworkAsItIs()
    {
        foreach (string name in DevicesUnderTest.Names)
        {
            using var device = DevicesUnderTest.Create(name);
            using var run = new VimRun(device, Weights(), MergeSchedule.Uniform(s_config, 4), 3, forTraining: true, new DropPath(0));
            using var plain = new VimRun(device, Weights(), MergeSchedule.Uniform(s_config, 4), 3, forTraining: true);
            CollectionAssert.AreEqual(plain.Logits(), run.Logits(), name);
            for (int i = 0; i <= s_config.Depth; i++) Assert.IsEmpty(run.Factors(i), "no factor is drawn or applied");
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void NothingIsAllocatedOnceWarm(bool training)
    {
        using var device = CpuDevice.Create();
        using var run = new VimRun(device, Weights(), MergeSchedule.Uniform(s_config, 4), 3, training, new DropPath(0.5));
        Assert.AreEqual(0, Allocations.OfTen(run.Pass), "bytes in ten passes");
    }

    [TestMethod]
    public void ADroppedBranchMayHoldAnything()
    {
        foreach (string name in DevicesUnderTest.Names)
        {
            using var device = DevicesUnderTest.Create(name);
            var (x, factors, y) = (Matrix(4, 5), Matrix(2, 1), Matrix(4, 5));
            x.Buffer.Write([.. Enumerable.Repeat(float.NaN, 10), .. Enumerable.Repeat(3f, 10)]);
            y.Buffer.Write([.. Enumerable.Repeat(1f, 20)]);
            factors.Buffer.Write([0, 2]);
            device.ScaleImages(x, factors, y, accumulate: true);
            CollectionAssert.AreEqual(Rows(1, 7), GoldenRun.Read(y), name);
            device.ScaleImages(x, factors, y);
            CollectionAssert.AreEqual(Rows(0, 6), GoldenRun.Read(y), name);
            Assert.Contains("4 rows", Assert.ThrowsExactly<ArgumentException>(() => device.ScaleImages(x, Matrix(3, 1), y)).Message, name);

            DeviceMatrix Matrix(int rows, int columns) => new(device.Allocate(rows * columns), rows, columns);
        }

        static double[] Rows(double first, double second) => [.. Enumerable.Repeat(first, 10), .. Enumerable.Repeat(second, 10)];
    }

    [TestMethod]
    public void AKeyForAnImageThatThereIsNotIsRefused()
    {
        using var device = new ReferenceDevice();
        using var run = new VimRun(device, Weights(), MergeSchedule.Dense(s_config), 2, forTraining: false);
        Assert.Contains("no image 2 in a workspace for 2", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => run.SetKey(2, default)).Message);
    }

    private static VimWeights Weights()
    {
        var weights = VimInitializer.Create(s_config, 3);
        var random = new Random(5);
        foreach (ref float value in weights.Values.AsSpan()) value += (random.NextSingle() - 0.5f) * 0.3f;
        return weights;
    }

    /// <summary>A network and its workspace, with random images and a key for each.</summary>
    private sealed class VimRun : IDisposable
    {
        private readonly VimDevice _device;
        private readonly DeviceWeights _weights;
        private readonly VimNetwork _network;
        private readonly Workspace _workspace;
        private readonly ParameterBuffer _gradients;
        private readonly int _batch;

        public VimRun(VimDevice device, VimWeights weights, MergeSchedule schedule, int batch, bool forTraining, DropPath dropPath = default)
        {
            (_device, _batch, _weights) = (device, batch, new DeviceWeights(device, weights, forTraining));
            _network = new VimNetwork(_weights, schedule, MergeOptions.Default);
            _workspace = _network.CreateWorkspace(device, batch, forTraining, dropPath);
            _gradients = new ParameterBuffer(device, weights.Parameters);
            var random = new Random(4);
            _workspace.Images.Buffer.Write([.. Enumerable.Range(0, (int)_workspace.Images.Buffer.Length).Select(_ => random.NextSingle() * 2 - 1)]);
            for (int i = 0; i < batch; i++) SetKey(i, new SampleKey(3, 1, i));
        }

        public void SetKey(int image, SampleKey key) => _workspace.SetSampleKey(image, key);

        public double[] Logits()
        {
            _network.Forward(_device, _workspace, _batch);
            return GoldenRun.Read(_workspace.Logits);
        }

        public void Pass()
        {
            _network.Forward(_device, _workspace, _batch);
            if (_workspace.ForTraining) _network.Backward(_device, _workspace, _batch, _gradients);
        }

        /// <summary>Of an addition, one for every image; empty where it drops nothing and there are none.</summary>
        public double[] Factors(int addition)
        {
            var factors = _workspace.BranchFactors(addition, _batch);
            if (!factors.IsNone) return GoldenRun.Read(factors);
            return _workspace.BranchFactors(s_config.Depth, _batch).IsNone ? [] : [.. Enumerable.Repeat(1.0, _batch)];
        }

        /// <summary>Gives the only image the first key whose factors are such.</summary>
        public double[] KeyWhere(Func<double[], bool> wanted)
        {
            for (int sample = 0; ; sample++)
            {
                SetKey(0, new SampleKey(3, 1, sample));
                _workspace.DrawChoices(1);
                double[] factors = [.. Enumerable.Range(0, s_config.Depth + 1).SelectMany(Factors)];
                if (wanted(factors)) return factors;
            }
        }

        public void ScaleBranch(int block, double factor)
        {
            var (values, p) = (((ReferenceBuffer)_weights.Values).Values, _network.Parameters.Blocks[block]);
            foreach (var parameter in new[] { p.Output, p.OutputBias! })
                for (long i = parameter.Offset; i < parameter.Offset + parameter.Length; i++) values[i] *= factor;
            _device.Refresh(_weights.LinearOf(p.Output));
        }

        /// <summary>Where the merge at the entry of a block put the tokens of the first image.</summary>
        public int[] Decisions(int block)
        {
            var plan = _workspace.Plans[block]!;
            var rows = new int[plan.Step.TokensIn];
            plan.Read(0, rows, new float[rows.Length]);
            return rows;
        }

        public void Dispose()
        {
            _gradients.Dispose();
            _workspace.Dispose();
            _weights.Dispose();
        }
    }
}

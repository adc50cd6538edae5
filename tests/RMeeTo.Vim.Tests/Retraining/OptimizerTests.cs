using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The optimizer against the same algorithms written out as plain loops over doubles, with gradients that are given.</summary>
[TestClass]
public sealed class OptimizerTests
{
    private const int BatchSize = 4;
    private const int LaneCount = 3;

    private static readonly VimModel s_model = TinyTask.Model();
    private static readonly double[] s_rates = [1e-2, 7e-3, 2e-2, 5e-3, 1e-2, 3e-3];

    public static IEnumerable<object[]> Devices => DevicesUnderTest.Names.Select(name => new object[] { name });

    /// <summary>
    /// What torch does in the published program: the loss halved and scaled, un-scaled and stepped by the scaler after every micro-batch, stepped once more
    /// after every second, and only then cleared.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void ReferenceAccumulationIsWhatThePublishedProgramDoes(string device)
    {
        var plain = new PlainAdamW(s_model.Weights, 0.05);
        var gradient = new double[plain.Values.Length];
        double scale = 65536;
        for (int step = 0; step < 6; step++)
        {
            double[] g = Gradient(step);
            for (int i = 0; i < g.Length; i++) gradient[i] = (gradient[i] + scale * (g[i] / 2)) / scale;
            plain.Step(gradient, s_rates[step / 2]);
            if (step % 2 == 0) continue;
            plain.Step(gradient, s_rates[step / 2]);
            Array.Clear(gradient);
        }
        var state = Train(device, new() { Accumulation = GradientAccumulation.Reference }, 6);
        Assert.AreEqual(9, state.Updates, "three for two micro-batches");
        AssertClose(device, plain.Values, state.Weights.Values, "weights");
        AssertClose(device, plain.First, state.FirstMoment, "first moment");
        AssertClose(device, plain.Second, state.SecondMoment, "second moment");
    }

    /// <summary>The residual of the first gradient, 2⁻¹⁷ of it, is really there: a double tells it, and so do floats of two gradients far apart.</summary>
    [TestMethod]
    public void TheResidualOfTheFirstGradientIsSeen()
    {
        double[] large = [.. Gradient(0).Select(g => 1e6 * g)], none = new double[large.Length];
        var options = new RetrainOptions { Accumulation = GradientAccumulation.Reference, Beta1 = 0, Epsilon = 1e-30 };
        foreach (string device in DevicesUnderTest.Names)
        {
            using var bench = new Bench(device, options, s_model);
            bench.Step(0, large, 1e-3);
            bench.Step(1, none, 1e-3);
            var state = bench.Saved();
            // Without first moment's memory it is the last gradient itself: of g₁ = 0 only g₀/(2S) is left.
            for (int i = 0; i < large.Length; i++) Assert.AreEqual(large[i] / (2 * 65536), state.FirstMoment[i], 1e-6 * Math.Abs(large[i]), $"{device}, {i}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void MicroBatchesMakeOneStepWithTheMeanOfTheirImages(string device)
    {
        // 22 images in batches of 4: groups of 12 and of 10 images.
        var plain = new PlainAdamW(s_model.Weights, 0.05);
        for (int group = 0; group < 2; group++)
        {
            var sum = new double[plain.Values.Length];
            int images = group == 0 ? 12 : 10;
            for (int step = 3 * group; step < 3 * group + 3; step++)
            {
                double[] g = Gradient(step);
                int count = step == 5 ? 2 : 4;
                for (int i = 0; i < g.Length; i++) sum[i] += g[i] * count / images;
            }
            plain.Step(sum, s_rates[group]);
        }
        var state = Train(device, new() { Accumulation = GradientAccumulation.Over(3) }, 6, epochImages: 22);
        Assert.AreEqual(2, state.Updates);
        AssertClose(device, plain.Values, state.Weights.Values, "weights");
    }

    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void GroupsHaveTheirOwnRateAndDecay(string device)
    {
        var options = new RetrainOptions { WeightDecay = 0.1, WeightDecayRule = WeightDecayRule.MatricesOnly, LayerDecay = new LayerDecay(0.5) };
        var plain = new PlainAdamW(s_model.Weights, 0);
        foreach (var parameter in s_model.Weights.Parameters.All)
        {
            string name = parameter.Name;
            int layer = name is "cls_token" or "pos_embed" or "patch_embed.proj.weight" or "patch_embed.proj.bias" ? 0
                : name.StartsWith("layers.", StringComparison.Ordinal) ? name["layers.".Length] - '0' + 1 : 5;
            bool decays = parameter.Shape.Count > 1 && !name.EndsWith(".bias", StringComparison.Ordinal) && name is not ("cls_token" or "pos_embed");
            plain.Factors.AsSpan((int)parameter.Offset, parameter.Length).Fill(Math.Pow(0.5, 5 - layer));
            plain.Decays.AsSpan((int)parameter.Offset, parameter.Length).Fill(decays ? 0.1 : 0);
        }
        for (int step = 0; step < 3; step++) plain.Step(Gradient(step), s_rates[step]);
        var state = Train(device, options, 3);
        AssertClose(device, plain.Values, state.Weights.Values, "weights");
    }

    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void TheAverageMovesOnceAGroup(string device)
    {
        var start = TinyTask.Model(seed: 9);
        foreach (var accumulation in new[] { GradientAccumulation.None, GradientAccumulation.Over(2), GradientAccumulation.Reference })
        {
            var options = new RetrainOptions { Accumulation = accumulation, Ema = new ModelEma { Decay = 0.75, Start = start } };
            using var bench = new Bench(device, options, s_model);
            double[] average = [.. start.Weights.Values];
            for (int step = 0; step < 4; step++)
            {
                bench.Step(step, Gradient(step), 1e-2);
                var state = bench.Saved();
                if ((step + 1) % accumulation.MicroBatches == 0)
                    for (int i = 0; i < average.Length; i++) average[i] = 0.75 * average[i] + 0.25 * state.Weights.Values[i];
                AssertClose(device, average, state.Average!.Values, $"{accumulation.Rule}, step {step}");
            }
        }
    }

    /// <summary>Spec 3.1: the average moves once per two micro-steps. The single one of an odd epoch steps the weights and leaves the average.</summary>
    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void ASingleMicroBatchAtTheEndLeavesTheAverage(string device)
    {
        var options = new RetrainOptions { Accumulation = GradientAccumulation.Reference, Ema = new ModelEma { Decay = 0.75 } };
        using var bench = new Bench(device, options, s_model);
        for (int step = 0; step < 2; step++) bench.Step(step, Gradient(step), 1e-2, epochImages: 3 * BatchSize);
        var state = bench.Saved();
        float[] average = [.. state.Average!.Values], weights = [.. state.Weights.Values];
        bench.Step(2, Gradient(2), 1e-2, epochImages: 3 * BatchSize);
        state = bench.Saved();
        Assert.AreEqual(4, state.Updates);
        CollectionAssert.AreEqual(average, state.Average!.Values);
        CollectionAssert.AreNotEqual(weights, state.Weights.Values);
    }

    /// <summary>Where ranges are cut and who works on them is nobody's business; a run that was saved in between is the same run.</summary>
    [TestMethod]
    public void ThreadsAndASaveInBetweenChangeNoBit()
    {
        string device = DevicesUnderTest.Names[^1];
        var options = new RetrainOptions
        {
            WeightDecayRule = WeightDecayRule.MatricesOnly,
            LayerDecay = new(0.9),
            Ema = new() { Decay = 0.5 },
            Accumulation = GradientAccumulation.Reference,
        };
        var expected = Train(device, options, 6);
        AssertSame(expected, Train(device, options with { Threads = 3 }, 6), "three threads");
        RetrainState saved;
        using (var first = new Bench(device, options, s_model))
        {
            for (int step = 0; step < 4; step++) first.Step(step, Gradient(step), s_rates[step / 2]);
            saved = first.Saved();
        }
        using var second = new Bench(device, options, s_model, saved);
        for (int step = 4; step < 6; step++) second.Step(step, Gradient(step), s_rates[step / 2]);
        AssertSame(expected, second.Saved(), "saved in between");

        static void AssertSame(RetrainState expected, RetrainState actual, string what)
        {
            CollectionAssert.AreEqual(expected.Weights.Values, actual.Weights.Values, what);
            CollectionAssert.AreEqual(expected.SecondMoment, actual.SecondMoment, what);
            CollectionAssert.AreEqual(expected.Average!.Values, actual.Average!.Values, what);
        }
    }

    [TestMethod]
    public void AStepAllocatesNothing()
    {
        var options = new RetrainOptions { WeightDecayRule = WeightDecayRule.MatricesOnly, Ema = new(), Accumulation = GradientAccumulation.Reference };
        using var bench = new Bench(DevicesUnderTest.Names[^1], options, s_model);
        for (int step = 0; step < 4; step++) bench.Optimizer.Step(bench.Lanes, options.Accumulation.At(step, step, BatchSize, 100), 1e-3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 4; step < 12; step++) bench.Optimizer.Step(bench.Lanes, options.Accumulation.At(step, step, BatchSize, 100), 1e-3);
        Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [TestMethod]
    public void TheLossScaleDoublesEvery2000MicroBatches()
    {
        double largest = Math.ScaleB(1, 60);
        foreach (var (step, scale) in new[] { (0, 65536.0), (1999, 65536), (2000, 131072), (7505, 524288), (2000 * 44, largest), (int.MaxValue, largest) })
            Assert.AreEqual(scale, GradientAccumulation.LossScale(step), $"micro-batch {step}");
    }

    private static RetrainState Train(string device, RetrainOptions options, int steps, int epochImages = 100)
    {
        using var bench = new Bench(device, options, s_model);
        for (int step = 0; step < steps; step++) bench.Step(step, Gradient(step), s_rates[step / options.Accumulation.MicroBatches], epochImages);
        return bench.Saved();
    }

    /// <summary>A gradient that a double holds and a float rounds; nothing in the gaps between parameters.</summary>
    private static double[] Gradient(int step)
    {
        var gradient = new double[s_model.Weights.Values.Length];
        var random = new Random(100 + step);
        foreach (var parameter in s_model.Weights.Parameters.All)
            for (int i = 0; i < parameter.Length; i++) gradient[parameter.Offset + i] = (float)(random.NextDouble() - 0.4);
        return gradient;
    }

    private static void AssertClose(string device, double[] expected, float[] actual, string what)
    {
        // The state is in floats for every device; beyond that the reference device computes in double.
        double limit = (device == new ReferenceDevice().Name ? 1.2e-7 : 3e-6) * expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], limit, $"{device}, {what}, value {i}");
    }

    /// <summary>torch's AdamW over plain arrays.</summary>
    private sealed class PlainAdamW
    {
        private int _steps;

        public PlainAdamW(NetworkWeights start, double decay)
        {
            Values = [.. start.Values];
            (First, Second, Factors, Decays) = (new double[Values.Length], new double[Values.Length], new double[Values.Length], new double[Values.Length]);
            Factors.AsSpan().Fill(1);
            Decays.AsSpan().Fill(decay);
        }

        public double[] Values { get; }
        public double[] First { get; }
        public double[] Second { get; }
        public double[] Factors { get; }
        public double[] Decays { get; }

        public void Step(double[] gradient, double rate)
        {
            _steps++;
            for (int i = 0; i < Values.Length; i++)
            {
                double lr = rate * Factors[i];
                Values[i] -= lr * Decays[i] * Values[i];
                First[i] = 0.9 * First[i] + 0.1 * gradient[i];
                Second[i] = 0.999 * Second[i] + (1 - 0.999) * gradient[i] * gradient[i];
                double mean = First[i] / (1 - Math.Pow(0.9, _steps)), variance = Second[i] / (1 - Math.Pow(0.999, _steps));
                Values[i] -= lr * mean / (Math.Sqrt(variance) + 1e-8);
            }
        }
    }

    /// <summary>An optimizer, and lanes that get a share of a given gradient each as the workers would fill them.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly WorkerTeam _team;
        private readonly VimDevice _device;
        private readonly DeviceWeights _weights;
        private readonly DeviceBuffer[] _lanes;
        private readonly RetrainOptions _options;
        private readonly RetrainState _state;

        public Bench(string device, RetrainOptions options, VimModel model, RetrainState? state = null)
        {
            var provider = new ProviderUnderTest(device);
            _options = options with { BatchSize = BatchSize };
            _team = new WorkerTeam(Math.Max(1, options.Threads));
            _device = provider.CreateDevice();
            _state = state ?? new RetrainState(model.Weights, options.Ema is { } ema ? (ema.Start ?? model).Weights : null);
            _weights = new DeviceWeights(_device, model.Weights, forTraining: true);
            _lanes = [.. Enumerable.Range(0, LaneCount).Select(_ => _device.Allocate(model.Weights.Values.Length))];
            Optimizer = new Optimizer(_team, provider, _weights, _options, _state);
        }

        public Optimizer Optimizer { get; }

        public IReadOnlyList<DeviceBuffer> Lanes => _lanes;

        public void Step(int step, double[] gradient, double rate, int epochImages = 100)
        {
            var plan = _options.Accumulation.At(step, step, BatchSize, epochImages);
            int images = Math.Min(BatchSize, epochImages - step * BatchSize);
            double[] shares = [0.5, 0.375, 0.125];
            for (int lane = 0; lane < LaneCount; lane++)
            {
                var values = new float[gradient.Length];
                if (plan.Accumulates) _lanes[lane].Read(values);
                for (int i = 0; i < values.Length; i++) values[i] += (float)(shares[lane] * gradient[i] * images * plan.GradientScale);
                _lanes[lane].Write(values);
            }
            Optimizer.Step(_lanes, plan, rate);
        }

        public RetrainState Saved()
        {
            Optimizer.Save(_state);
            return _state;
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            foreach (var lane in _lanes) lane.Dispose();
            _weights.Dispose();
            _device.Dispose();
            _team.Dispose();
        }
    }
}

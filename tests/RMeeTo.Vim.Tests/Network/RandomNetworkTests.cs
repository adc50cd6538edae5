using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Networks, merge options and schedules drawn at random, down to one patch and one token left: what no list of cases holds.</summary>
[TestClass]
public sealed class RandomNetworkTests
{
    public static IEnumerable<object[]> Widths => SimdWidths.Supported.Select(width => new object[] { width.ToString() });

    /// <summary>The derivative along a random direction of all parameters together, by central differences in double.</summary>
    [TestMethod]
    public void TheGradientIsTheDerivativeAlongAnyDirection()
    {
        int merges = 0;
        foreach (var net in Draw(seed: 9, count: 80))
        {
            using var device = new ReferenceDevice();
            using var pass = new Pass(device, net, batch: 2, training: true);
            double[] at = ((ReferenceBuffer)pass.Weights.Values).Values, start = [.. at], direction = new double[at.Length];
            var random = new Random(net.Seed);
            foreach (var p in net.Values.Parameters.All)
                for (int i = 0; i < p.Length; i++) direction[p.Offset + i] = random.NextDouble() - 0.5;
            double[] gradient = pass.Gradient();
            double expected = (Loss(1e-6) - Loss(-1e-6)) / 2e-6, actual = gradient.Zip(direction, (g, d) => g * d).Sum();
            double size = Math.Sqrt(gradient.Zip(direction, (g, d) => g * d * g * d).Sum());
            Assert.AreEqual(expected, actual, 1e-5 * (size + 1e-3), net.ToString());
            merges += net.Schedule.Steps.Count;

            double Loss(double step)
            {
                for (int i = 0; i < at.Length; i++) at[i] = start[i] + step * direction[i];
                foreach (var linear in pass.Weights.Linear) device.Refresh(linear);
                return pass.Logits().Zip(net.LogitsGradient, (x, g) => x * g).Sum();
            }
        }
        Assert.IsGreaterThan(60, merges);
    }

    /// <summary>
    /// Logits and gradients are the reference device's, an input's do not depend on those beside it, and training computes what inference does.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void TheCpuComputesWhatTheReferenceDoes(string width)
    {
        foreach (var net in Draw(seed: 6, count: 50))
        {
            using var reference = new ReferenceDevice();
            using var cpu = CpuDevice.Create(Enum.Parse<SimdWidth>(width));
            using Pass expected = new(reference, net, 3, training: true), actual = new(cpu, net, 3, training: true);
            using var inference = new Pass(cpu, net, 3, training: false);
            double[] logits = inference.Logits();
            AssertClose(expected.Logits(), logits, 1e-3, net);
            AssertClose(expected.Gradient(), actual.Gradient(), 3e-3, net);
            CollectionAssert.AreEqual(actual.Logits(), logits, net.ToString());
            for (int i = 0; i < 3; i++)
            {
                using var alone = new Pass(cpu, net, 1, training: false, first: i);
                int classes = net.Values.Config.Classes;
                CollectionAssert.AreEqual(alone.Logits(), logits[(i * classes)..((i + 1) * classes)], $"{i} of {net}");
            }
        }
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance, RandomNet net)
    {
        double largest = Math.Max(1e-2, expected.Max(Math.Abs));
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], tolerance * largest, $"{i} of {net}");
    }

    private static IEnumerable<RandomNet> Draw(int seed, int count)
    {
        var random = new Random(seed);
        while (count > 0)
        {
            var (config, next) = (Config(random), random.Next());
            var options = Options(random, config.ClassToken == ClassTokenPosition.None);
            int[] removed = new int[config.Depth];
            for (int i = 1; i < removed.Length; i++)
                if (random.Next(3) > 0) removed[i] = random.Next(4) == 0 ? int.MaxValue : random.Next(8);
            RandomNet net;
            try
            {
                net = new(config, options.Validate(), removed, next);
            }
            catch (ArgumentException)
            {
                continue; // options that contradict each other, or a partner that there is not
            }
            count--;
            yield return net;
        }
    }

    private static VimConfig Config(Random random)
    {
        bool clips = random.Next(4) == 0;
        ClassTokenPosition[] places = [ClassTokenPosition.Middle, ClassTokenPosition.First, ClassTokenPosition.None];
        int patch = random.Next(1, 4), stride = random.Next(1, 4), tubelet = clips ? random.Next(1, 3) : 1;
        return new VimConfig
        {
            ImageHeight = patch + stride * random.Next(6) + random.Next(stride), ImageWidth = patch + stride * random.Next(6),
            PatchSize = patch, Stride = stride,
            Width = random.Next(4, 9), Depth = random.Next(1, 7), StateSize = random.Next(3, 6), Classes = random.Next(1, 5),
            ConvolutionWidth = random.Next(2, 5), Expansion = random.Next(1, 3), ClassToken = clips ? ClassTokenPosition.First : places[random.Next(3)],
            Pooling = Any<TokenPooling>(random), Norm = Any<NormKind>(random), LayerScale = random.Next(2) == 0, ProjectionBias = random.Next(2) == 0,
            AverageDirections = random.Next(2) == 0, Frames = clips ? tubelet * random.Next(1, 4) : 0, TubeletSize = tubelet,
        };
    }

    private static MergeOptions Options(Random random, bool noClassToken) => new()
    {
        Reduction = Any<MergeReduction>(random), Order = Any<MergeOrder>(random), Metric = Any<MergeMetric>(random),
        MetricAlignment = Any<MetricAlignment>(random), Distance = Any<MergeDistance>(random), PartnerRank = random.Next(3) == 0 ? random.Next(1, 4) : 1,
        Combination = Any<MergeCombination>(random), ShuffleRate = random.Next(2) == 0 ? random.NextDouble() : 0, ShuffleSeed = (ulong)random.Next(),
        ClassPosition = noClassToken ? MergeClassPosition.Formula : Any<MergeClassPosition>(random),
        ProtectedNeighbours = noClassToken || random.Next(2) == 0 ? 0 : random.Next(4),
    };

    private static T Any<T>(Random random) where T : struct, Enum => Enum.GetValues<T>()[random.Next(Enum.GetValues<T>().Length)];

    /// <summary>A network with its weights, three inputs and a gradient of the logits.</summary>
    private sealed class RandomNet
    {
        public RandomNet(VimConfig config, MergeOptions options, int[] removed, int seed)
        {
            (Options, Seed, Schedule) = (options, seed, MergeSchedule.Custom(config, removed, options));
            Values = VimInitializer.Create(config, 3, layerScale: 0.7f, InitialisationFamily.Vim);
            var random = new Random(seed);
            foreach (ref float value in Values.Values.AsSpan()) value += (random.NextSingle() - 0.5f) * 0.4f;
            Inputs = [.. Enumerable.Range(0, 3 * config.InputLength).Select(_ => random.NextSingle() * 2 - 1)];
            LogitsGradient = [.. Enumerable.Range(0, 3 * config.Classes).Select(_ => random.NextSingle() * 2 - 1)];
            DropPath = random.Next(2) == 0 ? new DropPath(0.7 * random.NextDouble()) : default;
        }

        public MergeOptions Options { get; }

        public int Seed { get; }

        public MergeSchedule Schedule { get; }

        public VimWeights Values { get; }

        public float[] Inputs { get; }

        public float[] LogitsGradient { get; }

        public DropPath DropPath { get; }

        public override string ToString() => $"{Values.Config}\n{Options}\n{DropPath}\ntokens {string.Join(' ', Schedule.TokensPerBlock)}";
    }

    /// <summary>A network on a device.</summary>
    private sealed class Pass : IDisposable
    {
        private readonly VimDevice _device;
        private readonly RandomNet _net;
        private readonly VimNetwork _network;
        private readonly Workspace _workspace;
        private readonly int _batch;

        public Pass(VimDevice device, RandomNet net, int batch, bool training, int first = 0)
        {
            (_device, _net, _batch) = (device, net, batch);
            Weights = new DeviceWeights(device, net.Values, training);
            _network = new VimNetwork(Weights, net.Schedule, net.Options);
            _workspace = _network.CreateWorkspace(device, batch, training, net.DropPath);
            for (int i = 0; i < batch; i++) _workspace.SetSampleKey(i, new SampleKey(1, 0, first + i));
            int length = net.Values.Config.InputLength;
            _workspace.Images.Buffer.Write(net.Inputs.AsSpan(first * length, batch * length));
        }

        public DeviceWeights Weights { get; }

        public double[] Logits()
        {
            _network.Forward(_device, _workspace, _batch);
            return GoldenRun.Read(_workspace.Logits);
        }

        public double[] Gradient()
        {
            _network.Forward(_device, _workspace, _batch);
            _workspace.LogitsGradient.Buffer.Write(_net.LogitsGradient.AsSpan(0, _batch * _net.Values.Config.Classes));
            using var gradients = new ParameterBuffer(_device, Weights.Parameters);
            _network.Backward(_device, _workspace, _batch, gradients);
            return GoldenRun.Read(new DeviceMatrix(gradients.Values, 1, (int)gradients.Values.Length));
        }

        public void Dispose()
        {
            _workspace.Dispose();
            Weights.Dispose();
        }
    }
}

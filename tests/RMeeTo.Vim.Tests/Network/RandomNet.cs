using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>A network drawn at random, with its weights, three inputs and a gradient of the logits.</summary>
internal sealed class RandomNet
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

    /// <summary>Networks, options and schedules.</summary>
    public static IEnumerable<RandomNet> Draw(int seed, int count)
    {
        var random = new Random(seed);
        while (count > 0)
        {
            var (config, next) = (DrawConfig(random), random.Next());
            var options = DrawOptions(random, config.ClassToken == ClassTokenPosition.None);
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

    private static VimConfig DrawConfig(Random random)
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

    private static MergeOptions DrawOptions(Random random, bool noClassToken) => new()
    {
        Reduction = Any<MergeReduction>(random), Order = Any<MergeOrder>(random), Metric = Any<MergeMetric>(random),
        MetricAlignment = Any<MetricAlignment>(random), Distance = Any<MergeDistance>(random), PartnerRank = random.Next(3) == 0 ? random.Next(1, 4) : 1,
        Combination = Any<MergeCombination>(random), ShuffleRate = random.Next(2) == 0 ? random.NextDouble() : 0, ShuffleSeed = (ulong)random.Next(),
        ClassPosition = noClassToken ? MergeClassPosition.Formula : Any<MergeClassPosition>(random),
        ProtectedNeighbours = noClassToken || random.Next(2) == 0 ? 0 : random.Next(4),
    };

    private static T Any<T>(Random random) where T : struct, Enum => Enum.GetValues<T>()[random.Next(Enum.GetValues<T>().Length)];
}

/// <summary>A random network on a device.</summary>
internal sealed class RandomNetPass : IDisposable
{
    private readonly VimDevice _device;
    private readonly RandomNet _net;
    private readonly VimNetwork _network;
    private readonly Workspace _workspace;
    private readonly int _batch;

    public RandomNetPass(VimDevice device, RandomNet net, int batch, bool training, int first = 0)
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

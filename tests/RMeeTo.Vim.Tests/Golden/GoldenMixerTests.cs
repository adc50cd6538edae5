using System.Text.Json;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>The bidirectional mixer of one block on every device against the official one: output, gradient of the input and of every parameter.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenMixerTests
{
    private const string Prefix = "layers.0.mixer.";

    public static IEnumerable<object[]> Mixers =>
        GoldenData.Rows(DevicesUnderTest.Names, GoldenData.Cases("ops_index.json", "mixer").Select(c => c.GetProperty("case").GetString()!));

    [TestMethod]
    [DynamicData(nameof(Mixers))]
    public void Mixer_agrees(string deviceName, string caseName)
    {
        GoldenData.Require(caseName);
        JsonElement settings = GoldenData.Cases("ops_index.json", "mixer").Single(c => c.GetProperty("case").GetString() == caseName);
        GoldenFile file = GoldenData.File("mixer.safetensors");
        int batch = settings.GetProperty("batch").GetInt32(), length = settings.GetProperty("length").GetInt32(), rows = batch * length;
        VimConfig config = Config(settings, length) with { ProjectionBias = file.Has($"{caseName}.param.in_proj.bias") };
        Assert.AreEqual(file.Names.Count(name => name.StartsWith($"{caseName}.param.", StringComparison.Ordinal)), MixerParameters(new VimParameters(config)).Count(), "parameters");
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        using var weights = new DeviceWeights(device, Weights(config, file, caseName), forTraining: true);
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        var network = new VimNetwork(weights, MergeSchedule.Dense(config), MergeOptions.Default);
        using Workspace workspace = network.CreateWorkspace(device, batch, forTraining: true);
        var mixer = new MambaMixer(config, network.Parameters.Blocks[0], weights);

        BlockActivations activations = workspace.Blocks[0];
        Load(file[$"{caseName}.in.x"].Values, activations.Normed);
        DeviceMatrix y = workspace.Hidden.Current.SliceRows(0, rows), dy = workspace.Gradient.Current.SliceRows(0, rows);
        mixer.Forward(device, activations, batch, length, y);
        Load(file[$"{caseName}.cotangent.y"].Values, dy);
        var check = new Checker(file, caseName, $"{deviceName}, mixer");
        CheckMetrics(device, mixer, config, activations, batch, length, check);
        check.Output("y", GoldenRun.Read(y)); // before the backward pass, which may work in its place
        mixer.Backward(device, activations, workspace.MixerGradient, batch, length, dy, gradients);

        check.Gradient("x", GoldenRun.Read(workspace.MixerGradient.Normed.SliceRows(0, rows)));
        foreach (VimParameter parameter in MixerParameters(network.Parameters)) check.Gradient(parameter.Name[Prefix.Length..], GoldenRun.Read(gradients[parameter]));
    }

    /// <summary>What the official mixer returns beside its output: B, C and Δ of both directions, to compare tokens by.</summary>
    private static void CheckMetrics(VimDevice device, MambaMixer mixer, VimConfig config, BlockActivations activations, int batch, int length, Checker check)
    {
        foreach (var (metric, name) in new[] { (MergeMetric.B, "B_metric"), (MergeMetric.C, "C_metric"), (MergeMetric.Delta, "delta_metric") })
        {
            var options = new MergeOptions { Metric = metric, MetricAlignment = MetricAlignment.Reference };
            var evidence = new MergeEvidence(device.Matrix, config, options, batch * length);
            mixer.Forward(device, activations, batch, length, device.Matrix(batch * length, config.Width), evidence);
            check.Output(name, GoldenRun.Read(evidence.Metric));
        }
    }

    private static IEnumerable<VimParameter> MixerParameters(VimParameters parameters) => parameters.All.Where(p => p.Name.StartsWith(Prefix, StringComparison.Ordinal));

    private static void Load(double[] values, DeviceMatrix matrix) => matrix.Buffer.Write([.. values.Select(v => (float)v)], matrix.Offset);

    /// <summary>One block, with room for the recorded tokens: a strip of patches one pixel high.</summary>
    private static VimConfig Config(JsonElement settings, int length)
    {
        int Int(string name) => settings.GetProperty(name).GetInt32();
        return new VimConfig
        {
            ImageHeight = 1,
            ImageWidth = length,
            PatchSize = 1,
            Stride = 1,
            Depth = 1,
            Classes = 1,
            Width = Int("d_model"),
            Expansion = Int("d_inner") / Int("d_model"),
            StateSize = Int("d_state"),
            ConvolutionWidth = Int("d_conv"),
            TimeStepRank = Int("dt_rank"),
            AverageDirections = settings.GetProperty("if_divide_out").ValueKind == JsonValueKind.True, // VideoMamba has no such setting: it adds
            LayerScale = settings.GetProperty("init_layer_scale").ValueKind == JsonValueKind.Number,
        };
    }

    private static VimWeights Weights(VimConfig config, GoldenFile file, string caseName)
    {
        var weights = new VimWeights(config);
        foreach (VimParameter parameter in MixerParameters(weights.Parameters))
            file.Floats($"{caseName}.param.{parameter.Name[Prefix.Length..]}").CopyTo(weights[parameter]);
        return weights;
    }
}

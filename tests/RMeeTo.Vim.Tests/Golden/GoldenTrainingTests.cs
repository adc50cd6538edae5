using System.Text.Json;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Some optimizer steps in a row against torch's AdamW: losses, logits afterwards, and every parameter.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenTrainingTests
{
    private const double Smoothing = 0.1;

    // Five to ten times what float32 and float64 runs of the official program differ by (train_index.json, worst of both cases).
    private const double LossLimit = 4e-6;
    private const double LogitsLimit = 2e-5;
    private const double ParameterLimit = 4e-4;

    // What gradients of float32 and float64 runs of the official program differ by, relative to the largest of their tensor (worst of all networks).
    private const double GradientNoise = 2e-5;

    private const double LearningRate = 2e-3;

    public static IEnumerable<object[]> Cases => GoldenData.Rows(DevicesUnderTest.Names, Files());

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void StepsAgreeWithTheOfficialProgram(string deviceName, string fileName)
    {
        GoldenData.Require(fileName);
        var recorded = GoldenData.File(fileName);
        var golden = GoldenNets.Cases("models_index.json").Select(item => item.Case).First(c => fileName == $"train_{c}.safetensors");
        var config = GoldenNets.Config(golden);
        var (schedule, merging) = GoldenNets.Merging(config, golden.Settings);
        var input = GoldenData.File($"{golden.Net}_input.safetensors");
        using var device = DevicesUnderTest.Create(deviceName);
        var start = GoldenNets.Weights(config, GoldenData.File(golden.Settings.GetProperty("weights_file").GetString()!));
        using var weights = new DeviceWeights(device, start, forTraining: true);
        var network = new VimNetwork(weights, schedule, merging);
        int batch = input["images"].Shape[0];
        using var workspace = network.CreateWorkspace(device, batch, forTraining: true);
        workspace.Images.Buffer.Write(input.Floats("images"));
        workspace.Targets.Write(Smoothed(input.Integers("labels"), config.Classes));

        var drift = weights.Parameters.All.ToDictionary(parameter => parameter, parameter => new double[GoldenRun.Read(weights[parameter]).Length]);
        double[] losses = Train(deviceName, device, network, workspace, start, recorded["losses"].Values.Length, drift);
        network.Forward(device, workspace, batch);

        string group = $"{deviceName}, {Path.GetFileNameWithoutExtension(fileName)}";
        GoldenReport.AssertClose(group, "losses", losses, recorded["losses"].Values, LossLimit);
        GoldenReport.AssertClose(group, "final_logits", GoldenRun.Read(workspace.Logits), recorded["final_logits"].Values, LogitsLimit);
        long beyond = weights.Parameters.All.Sum(parameter => CompareParameter(group, parameter, weights, recorded, drift[parameter]));
        Assert.IsLessThanOrEqualTo(weights.Parameters.Count / 1000, beyond,
            "values whose gradient is rounding, and that drifted beyond the limit of all others");
        if (device is not ReferenceDevice) return;
        GoldenReport.AssertClose(group, "losses_f64", losses, recorded["losses_f64"].Values, 1e-10);
        GoldenReport.AssertClose(group, "final_logits_f64", GoldenRun.Read(workspace.Logits), recorded["final_logits_f64"].Values, 1e-10);
    }

    /// <summary>Holds every value to the limit; one beyond it may be so by as much as rounding explains, and is counted.</summary>
    private static int CompareParameter(string group, VimParameter parameter, DeviceWeights weights, GoldenFile recorded, double[] drift)
    {
        double[] actual = GoldenRun.Read(weights[parameter]), expected = recorded[$"param.{parameter.Name}"].Values;
        double limit = ParameterLimit * expected.Max(Math.Abs);
        GoldenReport.AssertWithin(group, "parameters", actual, expected, Array.ConvertAll(drift, d => limit + d));
        return actual.Zip(expected).Count(pair => Math.Abs(pair.First - pair.Second) > limit);
    }

    /// <summary>
    /// Adds what rounding may do to each value in one step. AdamW divides a gradient by its own size: one that is no larger than the rounding of the
    /// gradients of its tensor makes steps of up to the learning rate in a direction that rounding decides, in the official program as well.
    /// </summary>
    private static void AddDrift(double[] drift, double[] secondMoments)
    {
        double noise = GradientNoise * Math.Sqrt(secondMoments.Max());
        for (int i = 0; i < drift.Length; i++)
            if (secondMoments[i] > 0) drift[i] += LearningRate * Math.Min(2, noise / Math.Sqrt(secondMoments[i]));
    }

    private static double[] Train(string deviceName, VimDevice device, VimNetwork network, Workspace workspace, VimWeights start, int steps,
        Dictionary<VimParameter, double[]> drift)
    {
        var parameters = network.Weights.Parameters;
        int batch = workspace.Images.Rows;
        using var gradients = new ParameterBuffer(device, parameters);
        using var team = new WorkerTeam(1);
        var state = new RetrainState(start);
        using var optimizer = new Optimizer(team, new ProviderUnderTest(deviceName), network.Weights, new RetrainOptions { WeightDecay = 0.05 }, state);
        var losses = new double[steps];
        for (int step = 0; step < steps; step++)
        {
            gradients.Values.Clear();
            network.Forward(device, workspace, batch);
            device.Loss(new LossWeights(1, 0), workspace.Logits, workspace.Targets, default, 1f / batch, workspace.Losses, workspace.LogitsGradient);
            losses[step] = GoldenRun.Read(workspace.Losses).Average();
            network.Backward(device, workspace, batch, gradients);
            optimizer.Step([gradients.Values], GradientAccumulation.None.At(step, 0, batch, batch), LearningRate);
            optimizer.Save(state);
            foreach (var (parameter, values) in drift)
                AddDrift(values, Array.ConvertAll(state.SecondMoment.AsSpan((int)parameter.Offset, parameter.Length).ToArray(), value => (double)value));
        }
        return losses;
    }

    private static double[] Smoothed(int[] labels, int classes)
    {
        var targets = new double[labels.Length * classes];
        targets.AsSpan().Fill(Smoothing / classes);
        for (int i = 0; i < labels.Length; i++) targets[i * classes + labels[i]] += 1 - Smoothing;
        return targets;
    }

    /// <summary>The recorded runs: the entries of the index that have losses of steps.</summary>
    private static IEnumerable<string> Files()
    {
        var entries = GoldenData.Index("train_index.json").EnumerateObject();
        foreach (var run in entries.Where(run => run.Value.TryGetProperty("losses", out var losses) && losses.ValueKind == JsonValueKind.Array))
            foreach (string path in Directory.GetFiles(GoldenData.Folder!, $"train_*_{run.Name}.safetensors").Order(StringComparer.Ordinal))
                yield return Path.GetFileName(path);
    }
}

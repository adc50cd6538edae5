using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.MLNet.Tests.Stage;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.TorchSharp.Tests.Stage;

/// <summary>The stage of ML.NET on tensor operators: what a model was fitted on has no part in it.</summary>
[TestClass]
public sealed class StageTests
{
    private const float Tolerance = 1e-4f;

    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-torchsharp-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    /// <summary>A provider as the stage looks for it, on libtorch's CPU backend.</summary>
    public sealed class TorchOnCpu(int gpu, MatrixPrecision precision) : IVimDeviceProvider
    {
        private readonly TorchSharpDeviceProvider _inside = TorchSharpDeviceProvider.Cpu(precision);

        public string Name => $"played GPU {gpu}, {_inside.Name}";

        public bool TakesWholeBatches => true;

        public int Workers(int threads) => 1;

        public VimDevice CreateDevice() => _inside.CreateDevice();
    }

    [TestMethod]
    public void A_pipeline_fitted_here_scores_the_same_in_another_process_on_the_CPU_device()
    {
        DevicesUnderTest.RequireLibTorch();
        var log = Tiny.Log(_ml);
        var options = Tiny.FromPaths(Tiny.Options(epochs: 3));
        (options.GpuDeviceId, options.FallbackToCpu, options.GpuProviderType) = (0, false, typeof(TorchOnCpu).AssemblyQualifiedName!);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 60, wholePaths: true));
        Tiny.HasLine(log, "Device: played GPU 0, CPU, TorchSharp's tensor operators, Float32");
        log.Clear();
        var here = Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 10, wholePaths: true)));
        Tiny.HasLine(log, "Device: played GPU 0, CPU, TorchSharp's tensor operators, Float32");

        string model = Path.Combine(_folder, "model.zip"), output = Path.Combine(_folder, "scores.txt");
        _ml.Model.Save(fitted, null, model);
        using var process = AnotherProcess.Start("score", model, Pictures.Folder, output);
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, errors);
        AreClose(here, ScoringProcess.Read(output));
    }

    [TestMethod]
    public void A_pipeline_fitted_on_the_CPU_device_scores_the_same_here()
    {
        DevicesUnderTest.RequireLibTorch();
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.Options(epochs: 3))).Fit(Tiny.Data(_ml, 0, 60, wholePaths: true));
        var data = Tiny.Data(_ml, 60, 10, wholePaths: true);
        var expected = Tiny.Read(_ml, fitted.Transform(data));
        var log = Tiny.Log(_ml);
        fitted.Renew(options => options with { Gpu = new(0, FallbackToCpu: false) { ProviderType = typeof(TorchOnCpu).AssemblyQualifiedName! } });
        AreClose(Tiny.Read(_ml, fitted.Transform(data)), expected);
        Tiny.HasLine(log, "Device: played GPU 0");
    }

    private static void AreClose(Scored[] torch, Scored[] cpu)
    {
        Assert.HasCount(cpu.Length, torch);
        foreach (var (actual, expected) in torch.Zip(cpu))
        {
            Assert.HasCount(expected.Score.Length, actual.Score);
            for (int c = 0; c < expected.Score.Length; c++) Assert.AreEqual(expected.Score[c], actual.Score[c], Tolerance, $"{actual.Id}, class {c}");
            var best = expected.Score.OrderDescending().ToArray();
            if (best[0] - best[1] > 2 * Tolerance) Assert.AreEqual(expected.PredictedLabel, actual.PredictedLabel, actual.Id);
        }
        float spread = cpu.Max(row => row.Score[0]) - cpu.Min(row => row.Score[0]);
        Assert.IsGreaterThan(100 * Tolerance, spread, "the pictures are told apart");
    }
}

using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Docs;

namespace RMeeTo.TorchSharp.Tests.Docs;

/// <summary>The code of docs/gpu.md, and what docs/pipeline.md says of GPUs, which so compiles.</summary>
[TestClass]
public sealed class GpuPageTests
{
    [TestMethod]
    public void Every_block_of_the_page_is_compiled_here()
    {
        PageCode.AssertCompiled("gpu.md");
        PageCode.AssertCompiled("pipeline.md", "## GPU");
    }

    /// <summary>What the stage looks up by name is there under that name.</summary>
    [TestMethod]
    public void The_stage_finds_the_provider()
    {
        Type? found = Type.GetType(DeviceChoice.ProviderType, throwOnError: false);
        Assert.AreSame(typeof(TorchSharpDeviceProvider), found);
        Assert.IsNotNull(found!.GetConstructor([typeof(int), typeof(MatrixPrecision)]));
    }

    internal static void Context()
    {
        var mlContext = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = false };
    }

    internal static void Settings(MLContext mlContext, VimMergedClassifierOptions options)
    {
        mlContext.GpuDeviceId = 0;          // for Fit and for Transform, also of a loaded model; or GpuDeviceId of the options, which goes first
        mlContext.FallbackToCpu = false;    // an error where the GPU cannot be used; true: the CPU, with a line in the log. Or FallbackToCpu of the options
        options.GpuMatrixPrecision = MatrixPrecision.TensorFloat32;     // or BFloat16; Float32 unless set
    }

    internal static void WithoutMlNet(VimModel model, ImageSet training, ImageSet validation)
    {
        using var gpu = new TorchSharpDeviceProvider(0, MatrixPrecision.TensorFloat32);
        using var classifier = new VimClassifier(model, device: gpu);
        var result = Retrainer.Run(model, training, validation, RetrainOptions.Default with { Device = gpu });
    }
}

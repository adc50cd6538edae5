using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>CPU or GPU, with a provider that only plays a GPU.</summary>
[TestClass]
public sealed class DeviceChoiceTests
{
    private readonly MLContext _ml = new();

    /// <summary>Has GPU 0 and no other.</summary>
    public sealed class PlayedGpu : IVimDeviceProvider
    {
        public PlayedGpu(int gpuDeviceId)
        {
            if (gpuDeviceId != 0) throw new InvalidOperationException($"this machine has no GPU {gpuDeviceId}.");
        }

        public string Name => "played GPU";

        public int Workers(int threads) => 1;

        public VimDevice CreateDevice() => CpuDeviceProvider.Instance.CreateDevice();
    }

    /// <summary>The same with a choice of precision.</summary>
    public sealed class PreciseGpu(int gpuDeviceId, MatrixPrecision precision) : IVimDeviceProvider
    {
        public PreciseGpu(int gpuDeviceId) : this(gpuDeviceId, (MatrixPrecision)(-1)) { }

        public string Name => $"played GPU {gpuDeviceId}";

        public MatrixPrecision Precision => precision;

        public int Workers(int threads) => 1;

        public VimDevice CreateDevice() => CpuDeviceProvider.Instance.CreateDevice();
    }

    private IVimDeviceProvider? Resolve(int? gpu, bool? fallback, Type? type = null)
    {
        using var channel = ((IHostEnvironment)_ml).Start("Test");
        return DeviceChoice.Resolve(_ml, new(gpu, fallback) { ProviderType = (type ?? typeof(PlayedGpu)).AssemblyQualifiedName! }, channel);
    }

    [TestMethod]
    public void NobodyAsks() => Assert.IsNull(Resolve(null, null));

    [TestMethod]
    public void OptionAndContextAsk()
    {
        Assert.IsInstanceOfType<PlayedGpu>(Resolve(0, null));
        _ml.GpuDeviceId = 0;
        Assert.IsInstanceOfType<PlayedGpu>(Resolve(null, null));
    }

    [TestMethod]
    public void GpuOutOfReach()
    {
        Assert.IsNull(Resolve(1, true));
        Tiny.Throws<InvalidOperationException>(() => Resolve(1, false), "GPU 1", "this machine has no GPU 1. Add the packages RMeeTo.TorchSharp");
        _ml.FallbackToCpu = false;
        Tiny.Throws<InvalidOperationException>(() => Resolve(1, null), "GPU 1");
        Assert.IsNull(Resolve(1, true));
    }

    [TestMethod]
    public void TheErrorNamesThePackageOfThisSystem()
    {
        var choice = new GpuChoice(0, FallbackToCpu: false) { ProviderType = "Absent.Provider, Absent" };
        using var channel = ((IHostEnvironment)_ml).Start("Test");
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => DeviceChoice.Resolve(_ml, choice, channel));
        Assert.Contains("the package RMeeTo.TorchSharp is not there", e.Message);
        Assert.Contains(OperatingSystem.IsWindows() ? "and TorchSharp-cuda-windows to" : OperatingSystem.IsLinux() ? "and TorchSharp-cuda-linux to"
            : "GPUs need Windows or Linux", e.Message);
    }

    /// <summary>A provider that knows no precision is used all the same; the log says that it has its own.</summary>
    [TestMethod]
    public void APrecisionIsPassedOnOrItsAbsenceSaid()
    {
        var log = Tiny.Log(_ml);
        using var channel = StageLog.Open(_ml, "Test");
        foreach (var precision in Enum.GetValues<MatrixPrecision>())
        {
            var choice = new GpuChoice(0, false, precision) { ProviderType = typeof(PreciseGpu).AssemblyQualifiedName! };
            Assert.AreEqual(precision, ((PreciseGpu)DeviceChoice.Resolve(_ml, choice, channel)!).Precision);
        }
        Assert.IsEmpty(log);
        Assert.IsInstanceOfType<PlayedGpu>(DeviceChoice.Resolve(_ml,
            new(0, false, MatrixPrecision.BFloat16) { ProviderType = typeof(PlayedGpu).AssemblyQualifiedName! }, channel));
        Tiny.HasLine(log, "GpuMatrixPrecision is BFloat16, and RMeeTo.MLNet.Tests.Stage.DeviceChoiceTests+PlayedGpu knows only one precision");
    }
}

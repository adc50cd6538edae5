using System.Runtime.InteropServices;
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

    /// <summary>Cannot be made, for the reason that its number stands for.</summary>
    public sealed class BrokenGpu : IVimDeviceProvider
    {
        public BrokenGpu(int gpu) => throw (gpu switch
        {
            0 => new InvalidOperationException("There is no driver. Add the package TorchSharp-cuda-linux, or TorchSharp-cuda-windows."),
            1 => new ArgumentOutOfRangeException(nameof(gpu), gpu, "There is no GPU 1: there is one, number 0."),
            2 => new FileNotFoundException("Could not load file or assembly 'TorchSharp'."),
            _ => new DllNotFoundException("Unable to load shared library 'Torch'."),
        });

        public string Name => "none";

        public int Workers(int threads) => 1;

        public VimDevice CreateDevice() => throw new NotSupportedException();
    }

    /// <summary>A played GPU with a choice of precision.</summary>
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
        using var channel = StageLog.Open(_ml, "Test");
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
        Tiny.Throws<InvalidOperationException>(() => Resolve(1, false),
            "GPU 1 cannot be used: this machine has no GPU 1. Or set FallbackToCpu to true, and the CPU is used instead.");
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
        Assert.Contains("GPU 0 cannot be used: the package RMeeTo.TorchSharp is not there. " + DeviceChoice.Advice(HostSystem.Current) + ", or set", e.Message);
    }

    [TestMethod]
    public void EverySystemHasItsAdvice()
    {
        string Advice(string system, Architecture processor) => DeviceChoice.Advice(new HostSystem(system, processor));
        Assert.AreEqual("Add the packages RMeeTo.TorchSharp and TorchSharp-cuda-linux to the application", Advice("Linux", Architecture.X64));
        Assert.AreEqual("Add the packages RMeeTo.TorchSharp and TorchSharp-cuda-windows to the application", Advice("Windows", Architecture.X64));
        Assert.AreEqual("Add the packages RMeeTo.TorchSharp and TorchSharp-cpu to the application", Advice("macOS", Architecture.Arm64));
        Assert.Contains("add the package RMeeTo.TorchSharp to the application, install the CUDA Toolkit 12 or 13", Advice("Linux", Architecture.Arm64));
        Assert.StartsWith("No GPU of macOS on X64 can be used", Advice("macOS", Architecture.X64));
        string here = OperatingSystem.IsWindows() ? "Windows" : OperatingSystem.IsLinux() ? "Linux" : OperatingSystem.IsMacOS() ? "macOS" : "";
        Assert.AreEqual($"{here} on {RuntimeInformation.ProcessArchitecture}", HostSystem.Current.ToString());
    }

    /// <summary>A provider says itself what to do, and nothing is said twice; where it could not even start, the packages are named.</summary>
    [TestMethod]
    public void AdviceIsGivenOnce()
    {
        string Said(int gpu) => Assert.ThrowsExactly<InvalidOperationException>(() => Resolve(gpu, false, typeof(BrokenGpu))).Message;
        const string end = "set FallbackToCpu to true, and the CPU is used instead.";
        Assert.AreEqual($"GPU 0 cannot be used: There is no driver. Add the package TorchSharp-cuda-linux, or TorchSharp-cuda-windows. Or {end}", Said(0));
        Assert.AreEqual($"GPU 1 cannot be used: There is no GPU 1: there is one, number 0. Or {end}", Said(1));
        string advice = DeviceChoice.Advice(HostSystem.Current);
        Assert.AreEqual($"GPU 2 cannot be used: Could not load file or assembly 'TorchSharp'. {advice}, or {end}", Said(2));
        Assert.AreEqual($"GPU 3 cannot be used: Unable to load shared library 'Torch'. {advice}, or {end}", Said(3));

        var log = Tiny.Log(_ml);
        Assert.IsNull(Resolve(1, true, typeof(BrokenGpu)));
        Tiny.HasLine(log, "GPU 1 cannot be used: There is no GPU 1: there is one, number 0. The CPU is used instead.");
        Assert.IsNull(Resolve(2, true, typeof(BrokenGpu)));
        Tiny.HasLine(log, $"GPU 2 cannot be used: Could not load file or assembly 'TorchSharp'. The CPU is used instead. {advice}.");
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
        Assert.IsFalse(log.Any(line => line.StartsWith("Warning")), string.Join('\n', log));
        Assert.IsInstanceOfType<PlayedGpu>(DeviceChoice.Resolve(_ml,
            new(0, false, MatrixPrecision.BFloat16) { ProviderType = typeof(PlayedGpu).AssemblyQualifiedName! }, channel));
        Tiny.HasLine(log, "GpuMatrixPrecision is BFloat16, and RMeeTo.MLNet.Tests.Stage.DeviceChoiceTests+PlayedGpu knows only one precision");
    }
}

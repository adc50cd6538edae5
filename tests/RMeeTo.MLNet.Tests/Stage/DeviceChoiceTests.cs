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

    private IVimDeviceProvider? Resolve(int? gpu, bool? fallback, Type? type = null)
    {
        using var channel = ((IHostEnvironment)_ml).Start("Test");
        return DeviceChoice.Resolve(_ml, gpu, fallback, channel, (type ?? typeof(PlayedGpu)).AssemblyQualifiedName!);
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
}

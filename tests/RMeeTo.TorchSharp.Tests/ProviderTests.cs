using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;
using TorchSharp;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>What is said where a library, a driver or a GPU is missing, and what a provider says of itself.</summary>
[TestClass]
public sealed class ProviderTests
{
    /// <summary>Where the tests run without libtorch, as they do where the feed has none for this system.</summary>
    [TestMethod]
    public void A_missing_libtorch_is_told_with_the_package_to_add()
    {
        Exception? cpu = Failure(() => TorchSharpDeviceProvider.Cpu());
        if (cpu is null) Assert.Inconclusive("libtorch is there.");
        if (cpu is PlatformNotSupportedException) Assert.Inconclusive(cpu.Message);
        StringAssert.Contains(cpu.Message, $"Add the package TorchSharp-cpu {TorchBackend.Version}");
        Exception gpu = Failure(() => new TorchSharpDeviceProvider(0))!;
        StringAssert.Contains(gpu.Message, $"{TorchBackend.GpuPackage} {TorchBackend.Version}");
        StringAssert.Contains(Failure(() => TorchSharpDeviceProvider.Cpu())!.Message, "TorchSharp-cpu"); // and once more: no error sticks
    }

    [TestMethod]
    public void A_missing_GPU_is_told_with_what_is_missing()
    {
        DevicesUnderTest.RequireLibTorch();
        if (NativeGpu()) Assert.Inconclusive("There is a GPU.");
        Exception failure = Failure(() => new TorchSharpDeviceProvider(0))!;
        Assert.IsTrue(failure is InvalidOperationException or PlatformNotSupportedException, failure.ToString());
        Assert.IsTrue(failure.Message.Contains(TorchBackend.GpuPackage) || failure.Message.Contains("driver") || failure.Message.Contains("CUDA for"), failure.Message);
    }

    [TestMethod]
    public void A_GPU_that_there_is_not_is_refused_with_both_numbers()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TorchSharpDeviceProvider(-1));
        DevicesUnderTest.RequireLibTorch();
        if (!NativeGpu()) Assert.Inconclusive("There is no GPU.");
        int count = torch.cuda.device_count();
        string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TorchSharpDeviceProvider(count)).Message;
        StringAssert.Contains(message, $"no GPU {count}");
        StringAssert.Contains(message, $"sees {count}");
    }

    [TestMethod]
    public void MPS_is_there_on_a_Mac_only()
    {
        if (OperatingSystem.IsMacOS()) Assert.Inconclusive("This is a Mac.");
        Assert.ThrowsExactly<PlatformNotSupportedException>(() => TorchSharpDeviceProvider.Mps());
    }

    [TestMethod]
    public void A_provider_says_what_runs_where()
    {
        DevicesUnderTest.RequireLibTorch();
        var provider = TorchSharpDeviceProvider.Cpu(MatrixPrecision.BFloat16);
        StringAssert.StartsWith(provider.Name, $"TorchSharp tensor operators on cpu (TorchSharp {TorchBackend.Version}");
        StringAssert.Contains(provider.Name, "libtorch");
        StringAssert.Contains(provider.Kind, "BFloat16");
        using var device = provider.CreateDevice();
        Assert.AreEqual(provider.Name, device.Name);
        Assert.AreEqual(1, provider.Workers(8));
        Assert.IsNull(provider.FreeMemory, "it works in the memory of the process");
    }

    private static bool NativeGpu()
    {
        try
        {
            TorchBackend.Require(DeviceType.CUDA);
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or PlatformNotSupportedException)
        {
            return false;
        }
    }

    private static Exception? Failure(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }
}

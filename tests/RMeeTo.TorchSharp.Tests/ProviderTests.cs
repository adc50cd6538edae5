using System.Runtime.InteropServices;
using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

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
        Exception gpu = Failure(() => TorchSharpDeviceProvider.TensorOperators(0))!;
        StringAssert.Contains(gpu.Message, $"Add the package {TorchBackend.GpuPackage} {TorchBackend.Version}");
        StringAssert.Contains(Failure(() => TorchSharpDeviceProvider.Cpu())!.Message, "TorchSharp-cpu"); // and once more: no error sticks
    }

    /// <summary>Driver, libraries, or both.</summary>
    [TestMethod]
    public void A_missing_GPU_is_told_with_the_package_to_add()
    {
        if (CudaDeviceProvider.Count > 0) Assert.Inconclusive("There is a GPU.");
        Exception failure = Failure(() => new TorchSharpDeviceProvider(0))!;
        if (failure is PlatformNotSupportedException) Assert.Inconclusive(failure.Message);
        Assert.IsInstanceOfType<CudaUnavailableException>(failure);
        StringAssert.Contains(failure.Message, TorchBackend.GpuPackage);
        StringAssert.Contains(failure.Message, "driver");
        DevicesUnderTest.RequireLibTorch();
        failure = Failure(() => TorchSharpDeviceProvider.TensorOperators(0))!;
        Assert.IsInstanceOfType<InvalidOperationException>(failure);
        Assert.IsTrue(failure.Message.Contains(TorchBackend.GpuPackage) || failure.Message.Contains("driver"), failure.Message);
    }

    [TestMethod]
    public void A_GPU_that_there_is_not_is_refused_with_both_numbers()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TorchSharpDeviceProvider(-1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TorchSharpDeviceProvider.TensorOperators(-1));
        int count = CudaDeviceProvider.Count;
        if (count == 0) Assert.Inconclusive("There is no GPU.");
        StringAssert.Contains(Failure(() => new TorchSharpDeviceProvider(count))!.Message, $"GPU {count} was asked for");
    }

    [TestMethod]
    public void A_precision_that_there_is_not_is_refused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TorchSharpDeviceProvider(0, (MatrixPrecision)3));
        DevicesUnderTest.RequireLibTorch();
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TorchSharpDeviceProvider.Cpu((MatrixPrecision)3));
    }

    [TestMethod]
    public void MPS_is_there_on_a_Mac_only()
    {
        if (OperatingSystem.IsMacOS()) Assert.Inconclusive("This is a Mac.");
        Assert.ThrowsExactly<PlatformNotSupportedException>(() => TorchSharpDeviceProvider.Mps());
    }

    /// <summary>GPU 0 of a Mac with an Apple processor, and nothing else of a Mac.</summary>
    [TestMethod]
    public void On_a_Mac_the_number_0_is_MPS()
    {
        Exception Of(int gpu, Architecture processor) =>
            Failure(() => new TorchSharpDeviceProvider(gpu, MatrixPrecision.Float32, new HostSystem(HostSystem.Mac, processor)))!;
        Exception second = Of(1, Architecture.Arm64), intel = Of(0, Architecture.X64);
        Assert.IsInstanceOfType<ArgumentOutOfRangeException>(second);
        StringAssert.Contains(second.Message, "There is no GPU 1: a Mac has one GPU, number 0.");
        Assert.IsInstanceOfType<PlatformNotSupportedException>(intel);
        StringAssert.Contains(intel.Message, "no native libraries for macOS on X64");
        if (HostSystem.Current.IsAppleMac)
        {
            using var mps = new TorchSharpDeviceProvider(0, MatrixPrecision.BFloat16);
            StringAssert.StartsWith(mps.Kind, "MPS, TorchSharp's tensor operators, BFloat16");
            Assert.IsNull(mps.FallbackReason);
        }
        else if (!OperatingSystem.IsMacOS()) StringAssert.Contains(Of(0, Architecture.Arm64).Message, "MPS is the GPU of a Mac with an Apple processor");
    }

    [TestMethod]
    public void A_provider_says_what_runs_where()
    {
        DevicesUnderTest.RequireLibTorch();
        var provider = TorchSharpDeviceProvider.Cpu(MatrixPrecision.BFloat16);
        StringAssert.StartsWith(provider.Name, $"CPU, TorchSharp's tensor operators, BFloat16 (TorchSharp {TorchBackend.Version}, ");
        StringAssert.Contains(provider.Name, "libtorch");
        StringAssert.Contains(provider.Kind, "BFloat16");
        using var device = provider.CreateDevice();
        Assert.AreEqual(provider.Name, device.Name);
        Assert.AreEqual(1, provider.Workers(8));
        Assert.IsNull(provider.FreeMemory, "it works in the memory of the process");
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

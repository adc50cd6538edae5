using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>What is said where something is missing.</summary>
[TestClass]
public sealed class UnavailableTests
{
    private static string Libraries => CudaUnavailableException.ComesWith(HostSystem.Current);

    [TestMethod]
    [DataRow(HostSystem.Linux, Architecture.X64, "with the package TorchSharp-cuda-linux, or with the CUDA Toolkit 12 or 13")]
    [DataRow(HostSystem.Windows, Architecture.X64, "with the package TorchSharp-cuda-windows, or with the CUDA Toolkit 12 or 13")]
    [DataRow(HostSystem.Linux, Architecture.Arm64, "with the CUDA Toolkit 12 or 13")]
    [DataRow(HostSystem.Windows, Architecture.Arm64, "with the CUDA Toolkit 12 or 13")]
    [DataRow(HostSystem.Mac, Architecture.Arm64, "with the CUDA Toolkit 12 or 13")]
    public void A_package_is_named_where_it_has_the_libraries(string system, Architecture processor, string source) =>
        Assert.AreEqual(source, CudaUnavailableException.ComesWith(new HostSystem(system, processor)));

    [TestMethod]
    public void A_toolkit_that_is_too_new_for_the_driver_is_not_named()
    {
        var arm = new HostSystem(HostSystem.Linux, Architecture.Arm64);
        Assert.AreEqual("with the CUDA Toolkit 12", CudaUnavailableException.ComesWith(arm, newest: 12));
        Assert.AreEqual("with the CUDA Toolkit 12 or 13", CudaUnavailableException.ComesWith(arm, newest: 13));
    }

    [TestMethod]
    public void Every_message_says_what_is_missing_and_what_to_add()
    {
        Says(CudaUnavailableException.NoDriver("libcuda.so.1"), "libcuda.so.1", "driver", "525", Libraries);
        Says(CudaUnavailableException.OldDriver(11040), "CUDA 11.4", "12.0 is needed", "525", Libraries);
        Says(CudaUnavailableException.DriverFailed("CUDA_ERROR_UNKNOWN (unknown error)"), "CUDA_ERROR_UNKNOWN", "nvidia-smi", Libraries);
        Says(CudaUnavailableException.NoSuchGpu(0, 0), "GPU 0", "no NVIDIA GPU", "CUDA_VISIBLE_DEVICES");
        Says(CudaUnavailableException.NoSuchGpu(1, 1), "GPU 1 was asked for, and there is 1 NVIDIA GPU: 0");
        Says(CudaUnavailableException.NoSuchGpu(4, 4), "GPU 4 was asked for, and there are 4 NVIDIA GPUs: 0 to 3");
        Says(CudaUnavailableException.OldGpu("GeForce GTX 1080", 61), "GeForce GTX 1080", "6.1", "7.0");
    }

    /// <summary>On a machine with a GPU this is not to be seen.</summary>
    [TestMethod]
    public void Without_a_driver_the_provider_says_so()
    {
        if (NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out _)) Assert.Inconclusive("There is a driver here.");
        Says(Assert.ThrowsExactly<CudaUnavailableException>(() => new CudaDeviceProvider(0)), "no NVIDIA driver", Libraries);
        Says(Assert.ThrowsExactly<CudaUnavailableException>(() => new CudaDeviceProvider(0)), "no NVIDIA driver", Libraries); // the second time too
        Assert.AreEqual(0, CudaDeviceProvider.Count);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new CudaDeviceProvider(0, (MatrixPrecision)7));
    }

    [TestMethod]
    [DataRow(90, "sm_90")]
    [DataRow(86, "sm_86")]
    [DataRow(88, "sm_86")] // the nearest older of its generation
    [DataRow(100, "compute_90")] // a generation that the compiler does not know: PTX, which the driver compiles
    [DataRow(75, "sm_70")]
    public void The_compiler_makes_what_the_GPU_can_run(int capability, string architecture)
    {
        string[] options = CompilerOptions.For(capability, [50, 70, 80, 86, 90]);
        CollectionAssert.Contains(options, $"--gpu-architecture={architecture}");
        Assert.AreEqual(architecture.StartsWith("compute", StringComparison.Ordinal), CompilerOptions.ArePtx(options));
    }

    /// <summary>Machine code for a GPU of Jetson or Drive runs on no other of its generation.</summary>
    [TestMethod]
    [DataRow(89, "sm_86")]
    [DataRow(87, "sm_87")]
    [DataRow(103, "sm_100")]
    [DataRow(120, "compute_100")]
    public void Machine_code_for_embedded_GPUs_is_for_them_alone(int capability, string architecture) =>
        CollectionAssert.Contains(CompilerOptions.For(capability, [70, 72, 80, 86, 87, 90, 100, 101]), $"--gpu-architecture={architecture}");

    [TestMethod]
    public void A_compiler_that_is_too_new_for_the_GPU_is_told() =>
        Says(Assert.ThrowsExactly<CudaUnavailableException>(() => CompilerOptions.For(70, [75, 80, 90])), "7.5 and later", "7.0");

    private static void Says(Exception e, params string[] parts)
    {
        foreach (string part in parts) StringAssert.Contains(e.Message, part);
    }
}

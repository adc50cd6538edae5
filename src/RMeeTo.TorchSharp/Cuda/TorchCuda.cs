using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>Opens a GPU for our own kernels: on libtorch's memory where libtorch can use that GPU, with its products where cuBLAS is not found.</summary>
internal static class TorchCuda
{
    /// <summary>Opens it.</summary>
    /// <param name="gpu">Number of the GPU.</param>
    /// <param name="precision">How products are computed.</param>
    /// <param name="withTorch">libtorch can use the GPU.</param>
    /// <exception cref="CudaUnavailableException">Driver, compiler, or GPU is missing, or without libtorch cuBLAS.</exception>
    /// <exception cref="NotSupportedException">The GPU has no bfloat16.</exception>
    public static CudaContext Open(int gpu, MatrixPrecision precision, bool withTorch)
    {
        LibrarySearch search = LibrarySearch.OfThisMachine;
        var driver = new DriverRuntime(CudaDriver.Instance, gpu, () => new Nvrtc(search));
        ICudaRuntime runtime = driver;
        IMatrixProducts? products = null;
        try
        {
            if (precision == MatrixPrecision.BFloat16 && runtime.ComputeCapability < 80)
                throw new NotSupportedException($"{runtime.Name} has no bfloat16, which came with sm_80; use {MatrixPrecision.Float32}.");
            var device = new Device(DeviceType.CUDA, gpu);
            if (withTorch) runtime = new TorchMemoryRuntime(driver, new TorchMemory(device));
            products = Products(search, driver, device, precision, withTorch);
            runtime.GetFunction(SumKernels.Partial); // compiler and driver understand each other
            return new CudaContext(runtime, products);
        }
        catch
        {
            products?.Dispose();
            runtime.Dispose();
            throw;
        }
    }

    /// <summary>True for what the tensor operators can do without.</summary>
    public static bool IsMissing(Exception failure) => failure is CudaUnavailableException or CudaException or KernelCompilationException;

    /// <summary>Name of a GPU, such as "NVIDIA H200"; its number where there is no driver to ask.</summary>
    public static unsafe string NameOf(int gpu)
    {
        try
        {
            int device;
            CudaDriver driver = CudaDriver.Instance;
            driver.Check(driver.DeviceGet(&device, gpu), "cuDeviceGet");
            byte* name = stackalloc byte[128];
            driver.Check(driver.DeviceGetName(name, 128, device), "cuDeviceGetName");
            return System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)name)!;
        }
        catch (Exception failure) when (IsMissing(failure))
        {
            return $"GPU {gpu}";
        }
    }

    private static IMatrixProducts Products(LibrarySearch search, DriverRuntime driver, Device device, MatrixPrecision precision, bool withTorch)
    {
        try
        {
            return new RowMajorProducts(new Cublas(search, driver), precision, driver.Clear);
        }
        catch (CudaUnavailableException) when (withTorch)
        {
            return new TorchProducts(device, precision, driver);
        }
    }
}

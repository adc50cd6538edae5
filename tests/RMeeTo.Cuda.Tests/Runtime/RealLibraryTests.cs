using System.Runtime.InteropServices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>
/// NVIDIA's own driver and cuBLAS where they are installed, even without a GPU: they have the functions that the runtime calls, and say what is missing.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed class RealLibraryTests
{
    [TestMethod]
    public void A_driver_without_a_GPU_is_told()
    {
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out _)) Assert.Inconclusive("There is no NVIDIA driver here.");
        if (CudaDeviceProvider.Count > 0) Assert.Inconclusive("There is a GPU here.");
        string message = Assert.ThrowsExactly<CudaUnavailableException>(() => new CudaDeviceProvider(0)).Message;
        Console.WriteLine(message);
        Assert.IsTrue(message.Contains("no NVIDIA GPU") || message.Contains("does not start"), message);
    }

    /// <summary>On the played driver, which the real cuBLAS does not know: it is loaded with all its functions, and its error is told by name.</summary>
    [TestMethod]
    public void CuBlas_has_the_functions()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        NativeFunctions functions;
        try
        {
            functions = LibrarySearch.OfThisMachine.Load(CudaLibrary.Cublas);
        }
        catch (CudaUnavailableException)
        {
            Assert.Inconclusive($"cuBLAS 12 is not here; install a CUDA Toolkit, or set {LibrarySearch.Variable} to a folder that holds it.");
            return;
        }
        if (CudaDeviceProvider.Count > 0) Assert.Inconclusive("There is a GPU here, whose memory the played driver does not have.");
        string message = Assert.ThrowsExactly<CudaException>(() => new Cublas(functions, runtime)).Message;
        Console.WriteLine($"{functions.Path}: {message}");
        StringAssert.Contains(message, "cublasCreate failed: CUBLAS_STATUS_");
        Assert.AreEqual(0, cuda.Contexts);
    }
}

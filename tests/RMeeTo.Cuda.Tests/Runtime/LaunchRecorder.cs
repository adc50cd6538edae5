using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>A GPU that computes nothing, but notes which kernels it is asked for.</summary>
internal sealed unsafe class LaunchRecorder(int capability = 90) : ICudaRuntime, IMatrixProducts
{
    private readonly ConcurrentDictionary<string, CudaKernel> _kernels = [];

    /// <summary>One kernel for each compilation.</summary>
    public IEnumerable<CudaKernel> Units => _kernels.Values.DistinctBy(k => k.Unit).OrderBy(k => k.Unit, StringComparer.Ordinal);

    public string Name => "a GPU that does nothing";

    public MatrixPrecision Precision { get; init; }

    public int ComputeCapability => capability;

    public int Multiprocessors => 132;

    public int MaximumSharedBytes { get; init; } = 227 << 10;

    public (long Free, long Total) Memory => (1L << 37, 1L << 37);

    /// <summary>Allocations so far.</summary>
    public long Allocations { get; private set; }

    public nint Allocate(long bytes)
    {
        Allocations++;
        return (nint)NativeMemory.AllocZeroed((nuint)bytes + 256) + 255 & ~255; // never freed: a few megabytes
    }

    public void Free(nint memory) { }

    public void CopyToDevice(nint destination, void* source, long bytes) => Buffer.MemoryCopy(source, (void*)destination, bytes, bytes);

    public void CopyToHost(void* destination, nint source, long bytes) => Buffer.MemoryCopy((void*)source, destination, bytes, bytes);

    public void CopyOnDevice(nint destination, nint source, long bytes) { }

    public void Clear(nint memory, long bytes) { }

    public nint GetFunction(CudaKernel kernel)
    {
        _kernels[kernel.ToString()] = kernel;
        return 1;
    }

    public void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument) { }

    public void Synchronize() { }

    public void BeginCapture() { }

    public nint EndCapture() => 1;

    public void AbandonCapture() { }

    public void LaunchGraph(nint graph) { }

    public void FreeGraph(nint graph) { }

    public void Multiply(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate) { }

    public void Dispose() { }
}

using System.Runtime.InteropServices;
using RMeeTo.Cuda;
using RMeeTo.Cuda.Tests.Emulation;

namespace RMeeTo.TorchSharp.Tests.Cuda;

/// <summary>The emulated GPU, which runs kernels on any memory but copies only to and from its own: here the copies too are for any memory.</summary>
internal sealed unsafe class EmulatedOnTorch : ICudaRuntime
{
    private readonly EmulatedCuda _emulated = new();

    public string Name => _emulated.Name;

    public int ComputeCapability => _emulated.ComputeCapability;

    public int Multiprocessors => _emulated.Multiprocessors;

    public int MaximumSharedBytes => _emulated.MaximumSharedBytes;

    public (long Free, long Total) Memory => _emulated.Memory;

    public nint Allocate(long bytes) => throw new InvalidOperationException("All memory is libtorch's here.");

    public void Free(nint memory) => throw new InvalidOperationException("All memory is libtorch's here.");

    public void CopyToDevice(nint destination, void* source, long bytes) => Buffer.MemoryCopy(source, (void*)destination, bytes, bytes);

    public void CopyToHost(void* destination, nint source, long bytes) => Buffer.MemoryCopy((void*)source, destination, bytes, bytes);

    public void CopyOnDevice(nint destination, nint source, long bytes) => Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

    public void Clear(nint memory, long bytes) => NativeMemory.Clear((void*)memory, (nuint)bytes);

    public nint GetFunction(CudaKernel kernel) => _emulated.GetFunction(kernel);

    public void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument) =>
        _emulated.Launch(function, gridX, gridY, gridZ, threads, sharedBytes, argument);

    public void Synchronize() => _emulated.Synchronize();

    public void BeginCapture() => _emulated.BeginCapture();

    public nint EndCapture() => _emulated.EndCapture();

    public void AbandonCapture() => _emulated.AbandonCapture();

    public void LaunchGraph(nint graph) => _emulated.LaunchGraph(graph);

    public void FreeGraph(nint graph) => _emulated.FreeGraph(graph);

    public void Dispose() => _emulated.Dispose();
}

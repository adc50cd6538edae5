using RMeeTo.Cuda;

namespace RMeeTo.TorchSharp;

/// <summary>
/// A GPU whose memory is libtorch's; all else is that of the runtime inside. Both use the GPU's primary context, and the stream inside waits for libtorch's
/// default stream and that for it, so memory may change hands at once.
/// </summary>
internal sealed unsafe class TorchMemoryRuntime(ICudaRuntime inside, TorchMemory memory) : ICudaRuntime
{
    private volatile bool _capturing;
    private int _capturingThread;

    public string Name => inside.Name;

    public int ComputeCapability => inside.ComputeCapability;

    public int Multiprocessors => inside.Multiprocessors;

    public int MaximumSharedBytes => inside.MaximumSharedBytes;

    public (long Free, long Total) Memory => inside.Memory;

    public nint Allocate(long bytes)
    {
        if (_capturing && _capturingThread == Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("Memory is allocated while a graph is being recorded.");
        return memory.Allocate(bytes);
    }

    public void Free(nint address) => memory.Free(address);

    public void CopyToDevice(nint destination, void* source, long bytes) => inside.CopyToDevice(destination, source, bytes);

    public nint AllocateHost(long bytes) => inside.AllocateHost(bytes);

    public void FreeHost(nint address) => inside.FreeHost(address);

    public void CopyToDeviceLater(nint destination, void* source, long bytes) => inside.CopyToDeviceLater(destination, source, bytes);

    public void CopyToHost(void* destination, nint source, long bytes) => inside.CopyToHost(destination, source, bytes);

    public void CopyOnDevice(nint destination, nint source, long bytes) => inside.CopyOnDevice(destination, source, bytes);

    public void Clear(nint address, long bytes) => inside.Clear(address, bytes);

    public nint GetFunction(CudaKernel kernel) => inside.GetFunction(kernel);

    public void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument) =>
        inside.Launch(function, gridX, gridY, gridZ, threads, sharedBytes, argument);

    public void Synchronize() => inside.Synchronize();

    public void BeginCapture()
    {
        inside.BeginCapture();
        _capturingThread = Environment.CurrentManagedThreadId;
        _capturing = true;
    }

    public nint EndCapture()
    {
        _capturing = false;
        return inside.EndCapture();
    }

    public void AbandonCapture()
    {
        _capturing = false;
        inside.AbandonCapture();
    }

    public void LaunchGraph(nint graph) => inside.LaunchGraph(graph);

    public void FreeGraph(nint graph) => inside.FreeGraph(graph);

    public void Dispose()
    {
        inside.Dispose(); // which waits for the GPU
        memory.Dispose();
    }
}

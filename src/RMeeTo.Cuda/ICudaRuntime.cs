using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>
/// What the device needs of CUDA: memory, copies, kernels and graphs, all in one in-order stream. May be called from any thread; calls of several threads are
/// queued in the order in which they are made.
/// </summary>
internal unsafe interface ICudaRuntime : IDisposable
{
    /// <summary>For messages, such as "NVIDIA H200 (sm_90)".</summary>
    string Name { get; }

    /// <summary>Compute capability: 90 is sm_90.</summary>
    int ComputeCapability { get; }

    /// <summary>Number of multiprocessors.</summary>
    int Multiprocessors { get; }

    /// <summary>Shared memory that one block may ask for, in bytes.</summary>
    int MaximumSharedBytes { get; }

    /// <summary>Free and total memory of the GPU, in bytes.</summary>
    (long Free, long Total) Memory { get; }

    /// <summary>Memory of any content, aligned to 256 bytes.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough; the message says how much was asked for and how much is free.</exception>
    nint Allocate(long bytes);

    /// <summary>Frees memory, once all that was queued has used it.</summary>
    void Free(nint memory);

    /// <summary>Copies to the GPU, in order. The source may be used again on return.</summary>
    void CopyToDevice(nint destination, void* source, long bytes);

    /// <summary>Memory of the process that the GPU copies from by itself, of any content, aligned to 64 bytes; ordinary memory where there is no such.</summary>
    nint AllocateHost(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);

    /// <summary>Frees memory of <see cref="AllocateHost"/>, once all that was queued has used it.</summary>
    void FreeHost(nint memory) => NativeMemory.AlignedFree((void*)memory);

    /// <summary>Copies to the GPU, in order, and may return before: the source stays as it is until something queued later has been read.</summary>
    /// <param name="destination">On the GPU.</param>
    /// <param name="source">Inside memory of <see cref="AllocateHost"/>.</param>
    /// <param name="bytes">Number of bytes.</param>
    void CopyToDeviceLater(nint destination, void* source, long bytes) => CopyToDevice(destination, source, bytes);

    /// <summary>Copies to the host; waits for all that was queued.</summary>
    void CopyToHost(void* destination, nint source, long bytes);

    /// <summary>Copies inside the GPU's memory, in order.</summary>
    void CopyOnDevice(nint destination, nint source, long bytes);

    /// <summary>Sets bytes to zero, in order.</summary>
    void Clear(nint memory, long bytes);

    /// <summary>Compiles a kernel for this GPU, or finds it compiled, and loads it. Slow; callers keep the result.</summary>
    nint GetFunction(CudaKernel kernel);

    /// <summary>Queues a kernel.</summary>
    /// <param name="function">From <see cref="GetFunction"/>.</param>
    /// <param name="gridX">Blocks along x, at least 1.</param>
    /// <param name="gridY">Blocks along y, 1 to 65535.</param>
    /// <param name="gridZ">Blocks along z, 1 to 65535.</param>
    /// <param name="threads">Threads a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory.</param>
    /// <param name="argument">The one argument that every kernel has: a struct, copied on return.</param>
    void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument);

    /// <summary>Waits for all that was queued.</summary>
    void Synchronize();

    /// <summary>What this thread queues from now on is recorded instead of run. Nothing may be allocated, read back or waited for meanwhile.</summary>
    void BeginCapture();

    /// <summary>Ends the recording.</summary>
    /// <returns>A graph for <see cref="LaunchGraph"/>.</returns>
    nint EndCapture();

    /// <summary>Ends a recording that failed and forgets it.</summary>
    void AbandonCapture();

    /// <summary>Queues everything that was recorded.</summary>
    void LaunchGraph(nint graph);

    /// <summary>Frees a graph.</summary>
    void FreeGraph(nint graph);
}

using System.Runtime.InteropServices;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>
/// A GPU that there is not: kernels run on the CPU, at once, on the calling thread. What a GPU would do wrong without a word (an access outside memory, a
/// barrier that not all threads reach) is an exception here.
/// </summary>
/// <param name="order">In which blocks, warps and lanes run.</param>
/// <param name="seed">For the shuffled order.</param>
/// <param name="sharedBytes">Shared memory that a block may ask for; unless given, that of compute capability 7.0.</param>
/// <param name="watched">Every access of a kernel to memory is checked: slow, and sees what no result tells.</param>
internal sealed unsafe class EmulatedCuda(LaunchOrder order = LaunchOrder.Forward, ulong seed = 0, int sharedBytes = 96 << 10, bool watched = false)
    : ICudaRuntime
{
    private readonly EmulatedMemory _memory = new();
    private readonly ThreadLocal<List<Action>?> _recording = new();
    private long _launches;

    public string Name => order == LaunchOrder.Forward ? "CUDA on the CPU" : $"CUDA on the CPU, {order.ToString().ToLowerInvariant()}";

    public int ComputeCapability => 70;

    public int Multiprocessors => 3;

    public int MaximumSharedBytes => sharedBytes;

    public (long Free, long Total) Memory => ((16L << 30) - _memory.Used, 16L << 30);

    /// <summary>Launches so far.</summary>
    public long Launches => Interlocked.Read(ref _launches);

    public nint Allocate(long bytes)
    {
        RefuseWhileCapturing("Memory is allocated");
        return _memory.Allocate(bytes);
    }

    public void Free(nint memory) => _memory.Free(memory);

    public void CopyToDevice(nint destination, void* source, long bytes)
    {
        RefuseWhileCapturing("Values are copied from the host");
        _memory.CheckRange(destination, bytes, "A copy writes");
        Buffer.MemoryCopy(source, (void*)destination, bytes, bytes);
    }

    public void CopyToHost(void* destination, nint source, long bytes)
    {
        RefuseWhileCapturing("Values are read back");
        _memory.CheckRange(source, bytes, "A copy reads");
        Buffer.MemoryCopy((void*)source, destination, bytes, bytes);
    }

    public void CopyOnDevice(nint destination, nint source, long bytes) => Enqueue(() =>
    {
        _memory.CheckRange(source, bytes, "A copy reads");
        _memory.CheckRange(destination, bytes, "A copy writes");
        if (Math.Abs((long)destination - source) < bytes) throw new EmulationException($"A copy of {bytes} bytes overlaps itself.");
        Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);
    });

    public void Clear(nint memory, long bytes) => Enqueue(() =>
    {
        _memory.CheckRange(memory, bytes, "Clearing");
        NativeMemory.Clear((void*)memory, (nuint)bytes);
    });

    public nint GetFunction(CudaKernel kernel) => GetFunction(kernel.Unit, kernel.ReadSource(), kernel.Function);

    /// <summary>A kernel of a text that is not embedded.</summary>
    public nint GetFunction(string unit, string source, string function)
    {
        RefuseWhileCapturing("A kernel is compiled");
        return GCHandle.ToIntPtr(GCHandle.Alloc(EmulatedModule.Load(unit, source, watched)[function])); // for the life of the process, as few as kernels
    }

    public void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument)
    {
        var kernel = (EmulatedKernel)GCHandle.FromIntPtr(function).Target!;
        CheckGeometry(kernel, gridX, gridY, gridZ, threads, sharedBytes);
        var copy = new ReadOnlySpan<byte>(argument, kernel.ArgumentBytes).ToArray();
        Enqueue(() => Run(kernel, gridX, gridY, gridZ, threads, sharedBytes, copy));
    }

    public void Synchronize() => RefuseWhileCapturing("The host waits for the GPU");

    public void BeginCapture()
    {
        RefuseWhileCapturing("A recording is begun");
        _recording.Value = [];
    }

    public nint EndCapture()
    {
        List<Action> recorded = _recording.Value ?? throw new EmulationException("A recording is ended that was not begun.");
        _recording.Value = null;
        return GCHandle.ToIntPtr(GCHandle.Alloc(recorded));
    }

    public void AbandonCapture() => _recording.Value = null;

    public void LaunchGraph(nint graph)
    {
        foreach (Action action in (List<Action>)GCHandle.FromIntPtr(graph).Target!) action();
    }

    public void FreeGraph(nint graph) => GCHandle.FromIntPtr(graph).Free();

    public void Dispose()
    {
        _memory.Dispose();
        _recording.Dispose();
    }

    /// <summary>Runs what comes next in the queue, or records it.</summary>
    internal void Enqueue(Action action)
    {
        if (_recording.Value is { } recorded) recorded.Add(action);
        else action();
    }

    private void Run(EmulatedKernel kernel, int gridX, int gridY, int gridZ, int threads, int sharedBytes, byte[] argument)
    {
        long number = Interlocked.Increment(ref _launches);
        EmulatedRegion[] regions = watched ? _memory.Regions() : [];
        fixed (byte* first = argument)
        fixed (EmulatedRegion* firstRegion = regions)
        {
            kernel.Module.Run(new EmulatedLaunch
            {
                Run = kernel.Run,
                Argument = first,
                GridX = gridX,
                GridY = gridY,
                GridZ = gridZ,
                Threads = threads,
                SharedBytes = sharedBytes,
                Order = order,
                Seed = seed * 1_000_003 + (ulong)number,
                RegionCount = regions.Length,
                Regions = firstRegion,
            }, kernel.Name);
        }
        foreach (nint word in MemoryMarshal.Cast<byte, nint>(argument))
            if (_memory.Check(word) is { } violation) throw new EmulationException($"{kernel.Name}: {violation}.");
    }

    private void CheckGeometry(EmulatedKernel kernel, int gridX, int gridY, int gridZ, int threads, int shared)
    {
        if (gridX < 1 || gridY is < 1 or > 65535 || gridZ is < 1 or > 65535)
            throw new EmulationException($"{kernel.Name}: a grid of {gridX} x {gridY} x {gridZ} blocks; allowed are 1 to 2147483647 x 65535 x 65535.");
        if (threads < 1 || threads > kernel.LargestBlock)
            throw new EmulationException($"{kernel.Name}: blocks of {threads} threads; its __launch_bounds__ allow 1 to {kernel.LargestBlock}.");
        if (shared < 0 || shared > sharedBytes)
            throw new EmulationException($"{kernel.Name}: {shared} bytes of shared memory; this GPU has {sharedBytes} for a block.");
    }

    private void RefuseWhileCapturing(string what)
    {
        if (_recording.Value is not null) throw new EmulationException($"{what} while a graph is being recorded.");
    }
}

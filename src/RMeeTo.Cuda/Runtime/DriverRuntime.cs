using System.Collections.Concurrent;
using System.Text;

namespace RMeeTo.Cuda;

/// <summary>
/// One GPU through the CUDA driver: its primary context, which other libraries of this process (TorchSharp) use too, and a stream of our own that waits for
/// what they queue to the default stream, and they for it.
/// </summary>
internal sealed unsafe class DriverRuntime : ICudaRuntime
{
    private enum Kind { Memory, HostMemory, Graph }

    private readonly CudaDriver _driver;
    private readonly KernelCache _kernels;
    private readonly IReadOnlyList<int> _architectures;
    private readonly Dictionary<string, nint> _modules = [];
    private readonly Dictionary<nint, Kind> _owned = []; // other libraries may keep the context alive, and with it what is not freed
    private readonly ConcurrentQueue<(Kind Kind, nint Handle)> _toFree = [];
    private readonly object _queue = new(); // entered once by every call, and by a thread that records until it ends
    private readonly StagingMemory _staging;
    private readonly int _device;
    private readonly nint _stream, _recordingStream;
    private nint _context;
    private bool _recording;

    /// <summary>Opens a GPU.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="gpu">Its number, from 0.</param>
    /// <param name="load">Loads what compiles kernels that are not in the cache, once it is clear that there is a GPU.</param>
    /// <exception cref="CudaUnavailableException">There is no such GPU, or it is too old.</exception>
    public DriverRuntime(CudaDriver driver, int gpu, Func<ICudaCompiler> load) : this(driver, gpu, load, KernelCache.DefaultFolder) { }

    /// <inheritdoc cref="DriverRuntime(CudaDriver, int, Func{ICudaCompiler})"/>
    /// <param name="driver">The driver.</param>
    /// <param name="gpu">Its number, from 0.</param>
    /// <param name="load">Loads what compiles kernels that are not in the cache, once it is clear that there is a GPU.</param>
    /// <param name="kernels">Where compiled kernels are kept; null: nowhere.</param>
    public DriverRuntime(CudaDriver driver, int gpu, Func<ICudaCompiler> load, string? kernels)
    {
        _driver = driver;
        int count = _driver.Count;
        if ((uint)gpu >= (uint)count) throw CudaUnavailableException.NoSuchGpu(gpu, count);
        int device;
        _driver.Check(_driver.DeviceGet(&device, gpu), "cuDeviceGet");
        _device = device;
        ComputeCapability = 10 * Attribute(CudaDriver.CapabilityMajor) + Attribute(CudaDriver.CapabilityMinor);
        Multiprocessors = Attribute(CudaDriver.MultiprocessorCount);
        MaximumSharedBytes = Attribute(CudaDriver.MaximumSharedPerBlockOptIn);
        byte* name = stackalloc byte[128];
        _driver.Check(_driver.DeviceGetName(name, 128, device), "cuDeviceGetName");
        string hardware = System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)name)!;
        if (ComputeCapability < 70) throw CudaUnavailableException.OldGpu(hardware, ComputeCapability);
        Name = $"{hardware} (sm_{ComputeCapability})";
        ICudaCompiler compiler = load();
        (_kernels, _architectures) = (new KernelCache(compiler, kernels), compiler.Architectures);

        nint context;
        _driver.Check(_driver.PrimaryContextRetain(&context, device), "cuDevicePrimaryCtxRetain");
        _context = context;
        try
        {
            using var queue = Enter();
            // While a stream records that waits for the default stream, nobody in the process may use that one, which libtorch does. So another one records.
            (_stream, _recordingStream) = (NewStream(waitsForDefault: true), NewStream(waitsForDefault: false));
            _staging = new StagingMemory(_driver, _stream);
        }
        catch
        {
            _driver.PrimaryContextRelease(device); // and with it the streams, if it is nobody else's
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int ComputeCapability { get; }

    /// <inheritdoc/>
    public int Multiprocessors { get; }

    /// <inheritdoc/>
    public int MaximumSharedBytes { get; }

    /// <summary>The stream that everything is queued to now: another one while a graph is being recorded.</summary>
    public nint Stream => _recording ? _recordingStream : _stream;

    /// <inheritdoc/>
    public (long Free, long Total) Memory
    {
        get
        {
            nuint free, total;
            using var queue = Enter();
            _driver.Check(_driver.MemoryGetInfo(&free, &total), "cuMemGetInfo");
            return ((long)free, (long)total);
        }
    }

    /// <summary>The GPU for this thread until the result is disposed: its context is the thread's, and no other thread queues anything meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The GPU was given back.</exception>
    public Entered Enter()
    {
        Monitor.Enter(_queue);
        try
        {
            ObjectDisposedException.ThrowIf(_context == 0, this);
            nint current;
            _driver.Check(_driver.ContextGetCurrent(&current), "cuCtxGetCurrent");
            if (current == _context) return new Entered(this, false);
            _driver.Check(_driver.ContextPushCurrent(_context), "cuCtxPushCurrent");
            return new Entered(this, true);
        }
        catch
        {
            Monitor.Exit(_queue);
            throw;
        }
    }

    /// <inheritdoc/>
    public nint Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        if (TryAllocate(bytes, out nint memory)) return memory;
        GC.Collect(); // buffers that nobody holds any more still hold memory of the GPU
        GC.WaitForPendingFinalizers();
        if (TryAllocate(bytes, out memory)) return memory;
        var (free, total) = Memory;
        throw new OutOfMemoryException($"{Name} has {free >> 20} of {total >> 20} MiB free; {bytes >> 20} more were asked for. Use a smaller batch.");
    }

    /// <inheritdoc/>
    public void Free(nint memory) => Free(Kind.Memory, memory);

    /// <inheritdoc/>
    public nint AllocateHost(long bytes)
    {
        nint memory;
        using var queue = Enter();
        RefuseWhileRecording("Memory is allocated");
        int result = _driver.HostMemoryAllocate(&memory, (nuint)Math.Max(1, bytes), 0);
        if (result == CudaDriver.OutOfMemory)
            throw new OutOfMemoryException($"{bytes >> 20} MiB of memory were to be locked in place for {Name}; the system does not allow so much.");
        _driver.Check(result, "cuMemHostAlloc");
        _owned[memory] = Kind.HostMemory;
        return memory;
    }

    /// <inheritdoc/>
    public void FreeHost(nint memory) => Free(Kind.HostMemory, memory);

    /// <inheritdoc/>
    public void CopyToDevice(nint destination, void* source, long bytes)
    {
        using var queue = Enter();
        RefuseWhileRecording("Values are copied from the host");
        _staging.Copy(destination, (byte*)source, bytes);
    }

    /// <inheritdoc/>
    public void CopyToDeviceLater(nint destination, void* source, long bytes)
    {
        using var queue = Enter();
        RefuseWhileRecording("Values are copied from the host"); // each repeat would copy what the source holds by then
        if (bytes > 0) _driver.Check(_driver.CopyHostToDevice(destination, (nint)source, (nuint)bytes, Stream), "cuMemcpyHtoDAsync");
    }

    /// <inheritdoc/>
    public void CopyToHost(void* destination, nint source, long bytes)
    {
        using var queue = Enter();
        RefuseWhileRecording("Values are read back");
        if (bytes > 0) _driver.Check(_driver.CopyDeviceToHost((nint)destination, source, (nuint)bytes, Stream), "cuMemcpyDtoHAsync");
        _driver.Check(_driver.StreamSynchronize(_stream), "cuStreamSynchronize");
    }

    /// <inheritdoc/>
    public void CopyOnDevice(nint destination, nint source, long bytes)
    {
        using var queue = Enter();
        if (bytes > 0) _driver.Check(_driver.CopyDeviceToDevice(destination, source, (nuint)bytes, Stream), "cuMemcpyDtoDAsync");
    }

    /// <inheritdoc/>
    public void Clear(nint memory, long bytes)
    {
        using var queue = Enter();
        if (bytes > 0) _driver.Check(_driver.Fill(memory, 0, (nuint)bytes, Stream), "cuMemsetD8Async");
    }

    /// <inheritdoc/>
    public nint GetFunction(CudaKernel kernel)
    {
        using var queue = Enter();
        RefuseWhileRecording("A kernel is compiled");
        if (!_modules.TryGetValue(kernel.Unit, out nint module)) _modules[kernel.Unit] = module = LoadModule(kernel);
        nint function;
        fixed (byte* name = Encoding.UTF8.GetBytes(kernel.Function + '\0'))
            _driver.Check(_driver.ModuleGetFunction(&function, module, name), $"cuModuleGetFunction of {kernel}");
        int fixedBytes;
        _driver.Check(_driver.FunctionGetAttribute(&fixedBytes, CudaDriver.FunctionSharedSize, function), "cuFuncGetAttribute");
        // Without it a launch gets 48 KB at most. It is a limit, and costs nothing where less is asked for.
        _driver.Check(_driver.FunctionSetAttribute(function, CudaDriver.FunctionMaximumDynamicShared, MaximumSharedBytes - fixedBytes), "cuFuncSetAttribute");
        return function;
    }

    /// <inheritdoc/>
    public void Launch(nint function, int gridX, int gridY, int gridZ, int threads, int sharedBytes, void* argument)
    {
        using var queue = Enter();
        _driver.Check(_driver.LaunchKernel(function, (uint)gridX, (uint)gridY, (uint)gridZ, (uint)threads, 1, 1, (uint)sharedBytes, Stream, &argument, null),
            $"cuLaunchKernel of {gridX} x {gridY} x {gridZ} blocks of {threads} threads with {sharedBytes} bytes");
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        using var queue = Enter();
        RefuseWhileRecording("The host waits for the GPU");
        _driver.Check(_driver.StreamSynchronize(_stream), "cuStreamSynchronize");
    }

    /// <inheritdoc/>
    public void BeginCapture()
    {
        using var queue = Enter();
        RefuseWhileRecording("A recording is begun");
        _driver.Check(_driver.StreamBeginCapture(_recordingStream, CudaDriver.CaptureThreadLocal), "cuStreamBeginCapture");
        Monitor.Enter(_queue); // other threads wait until it ends: what they queue is no part of it
        _recording = true;
    }

    /// <inheritdoc/>
    public nint EndCapture()
    {
        nint graph = StopCapture(out int result), executable;
        using var queue = Enter();
        _driver.Check(result, "cuStreamEndCapture");
        result = _driver.GraphInstantiate(&executable, graph, 0);
        _driver.GraphDestroy(graph);
        _driver.Check(result, "cuGraphInstantiate");
        _owned[executable] = Kind.Graph;
        return executable;
    }

    /// <inheritdoc/>
    public void AbandonCapture()
    {
        if (!IsRecording) return; // ended, and what was recorded was no graph
        nint graph = StopCapture(out _);
        using var queue = Enter();
        if (graph != 0) _driver.GraphDestroy(graph);
    }

    /// <inheritdoc/>
    public void LaunchGraph(nint graph)
    {
        using var queue = Enter();
        _driver.Check(_driver.GraphLaunch(graph, _stream), "cuGraphLaunch");
    }

    /// <inheritdoc/>
    public void FreeGraph(nint graph) => Free(Kind.Graph, graph);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_queue)
        {
            if (_context == 0) return;
            try
            {
                using var queue = Enter();
                _driver.StreamSynchronize(_stream);
                foreach (var (handle, kind) in _owned) Free((kind, handle));
                _staging.Dispose();
                foreach (nint module in _modules.Values) _driver.ModuleUnload(module);
                _driver.StreamDestroy(_recordingStream);
                _driver.StreamDestroy(_stream);
            }
            catch (CudaException)
            {
                // The GPU does nothing any more, after a fault of a kernel; whatever called for it has been told.
            }
            _context = 0;
            _driver.PrimaryContextRelease(_device);
        }
    }

    /// <summary>True on the thread that records.</summary>
    private bool IsRecording => Monitor.IsEntered(_queue) && _recording;

    private int Attribute(int attribute)
    {
        int value;
        _driver.Check(_driver.DeviceGetAttribute(&value, attribute, _device), "cuDeviceGetAttribute");
        return value;
    }

    private nint NewStream(bool waitsForDefault)
    {
        nint stream;
        _driver.Check(_driver.StreamCreate(&stream, waitsForDefault ? 0 : CudaDriver.StreamNonBlocking), "cuStreamCreate");
        return stream;
    }

    private nint LoadModule(CudaKernel kernel)
    {
        nint module;
        byte[] image = _kernels.Get(kernel.Unit, kernel.ReadSource(), CompilerOptions.For(ComputeCapability, _architectures));
        fixed (byte* first = image) _driver.Check(_driver.ModuleLoadData(&module, first), $"cuModuleLoadData of {kernel.Unit}");
        return module;
    }

    private bool TryAllocate(long bytes, out nint memory)
    {
        nint allocated = 0;
        using var queue = Enter();
        RefuseWhileRecording("Memory is allocated");
        FreeWaiting();
        int result = _driver.MemoryAllocate(&allocated, (nuint)bytes);
        memory = allocated;
        if (result == CudaDriver.OutOfMemory) return false;
        _driver.Check(result, "cuMemAlloc");
        _owned[memory] = Kind.Memory;
        return true;
    }

    /// <summary>A finalizer must not wait for a thread that records, and nothing may be freed meanwhile: then it is freed later.</summary>
    private void Free(Kind kind, nint handle)
    {
        _toFree.Enqueue((kind, handle));
        if (!Monitor.TryEnter(_queue)) return; // whoever is inside now, or comes next and allocates, frees it
        try
        {
            if (_context == 0 || _recording) return;
            using var queue = Enter();
            FreeWaiting();
        }
        catch (CudaException)
        {
            // The process ends, or the GPU does nothing any more. A finalizer must not throw.
        }
        finally
        {
            Monitor.Exit(_queue);
        }
    }

    /// <summary>Frees what waits for it, once the GPU no longer uses it.</summary>
    private void FreeWaiting()
    {
        if (!_toFree.IsEmpty) _driver.StreamSynchronize(_stream); // freeing memory waits anyway; of graphs it is not said
        while (_toFree.TryDequeue(out var freed))
            if (_owned.Remove(freed.Handle)) Free(freed);
    }

    private void Free((Kind Kind, nint Handle) freed) => _ = freed.Kind switch
    {
        Kind.Memory => _driver.MemoryFree(freed.Handle),
        Kind.HostMemory => _driver.HostMemoryFree(freed.Handle),
        _ => _driver.GraphExecutableDestroy(freed.Handle),
    };

    private nint StopCapture(out int result)
    {
        nint graph = 0;
        using (var queue = Enter())
        {
            if (!IsRecording) throw new InvalidOperationException("A recording is ended that was not begun.");
            result = _driver.StreamEndCapture(_recordingStream, &graph);
            _recording = false;
        }
        Monitor.Exit(_queue);
        return graph;
    }

    /// <summary>Throws while a graph is being recorded.</summary>
    /// <param name="what">What is refused, such as "Memory is allocated".</param>
    /// <exception cref="InvalidOperationException">One is.</exception>
    public void RefuseWhileRecording(string what)
    {
        if (_recording) throw new InvalidOperationException($"{what} while a graph is being recorded.");
    }

    /// <summary>The GPU for one thread.</summary>
    public readonly ref struct Entered(DriverRuntime runtime, bool pushed)
    {
        /// <summary>Leaves it as it was before.</summary>
        public void Dispose()
        {
            nint ours;
            if (pushed) runtime._driver.ContextPopCurrent(&ours);
            Monitor.Exit(runtime._queue);
        }
    }
}

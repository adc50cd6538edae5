namespace RMeeTo.Cuda;

/// <summary>A sequence of operators of one device as a CUDA graph, once it is recorded.</summary>
internal sealed class CudaRecording(CudaDevice device, ICudaRuntime runtime) : IDisposable
{
    private nint _graph, _scratch;

    /// <summary>True once recording it was tried in vain.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>True where it is of this device.</summary>
    public bool IsOf(CudaDevice other) => ReferenceEquals(device, other);

    /// <summary>True where there is a graph and it uses this scratch memory: the device's may have been replaced by a larger one.</summary>
    public bool IsRecordedWith(nint scratch) => _graph != 0 && _scratch == scratch;

    /// <summary>Takes over a graph, in the place of an older one.</summary>
    /// <param name="graph">From <see cref="ICudaRuntime.EndCapture"/>.</param>
    /// <param name="scratch">The device's scratch memory while it was recorded.</param>
    public void Keep(nint graph, nint scratch)
    {
        Free();
        (_graph, _scratch) = (graph, scratch);
    }

    /// <summary>Queues the sequence.</summary>
    public void Launch() => runtime.LaunchGraph(_graph);

    /// <summary>Never to be tried again.</summary>
    public void Fail()
    {
        Free();
        HasFailed = true;
    }

    /// <summary>Frees the graph.</summary>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees a graph that nobody disposed of.</summary>
    ~CudaRecording() => Free();

    private void Free()
    {
        nint graph = Interlocked.Exchange(ref _graph, 0);
        if (graph != 0) runtime.FreeGraph(graph);
    }
}

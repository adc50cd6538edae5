using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>Memory of the process that a GPU copies from by itself.</summary>
internal sealed class CudaHostBuffer : HostBuffer
{
    private readonly ICudaRuntime _runtime;
    private nint _memory;

    public CudaHostBuffer(ICudaRuntime runtime, long length) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _runtime = runtime;
        _memory = runtime.AllocateHost(Math.Max(1, length));
    }

    /// <inheritdoc/>
    public override nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory == 0, this);
            return _memory;
        }
    }

    /// <summary>True where this GPU copies from it.</summary>
    public bool IsOf(ICudaRuntime runtime) => ReferenceEquals(_runtime, runtime);

    /// <summary>Frees the memory of a buffer that nobody disposed of.</summary>
    ~CudaHostBuffer() => Dispose(false);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint memory = Interlocked.Exchange(ref _memory, 0);
        if (memory != 0) _runtime.FreeHost(memory);
    }
}

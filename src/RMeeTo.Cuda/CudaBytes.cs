using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>Bytes in the memory of a GPU.</summary>
internal sealed unsafe class CudaBytes : DeviceBytes
{
    private readonly ICudaRuntime _runtime;
    private nint _memory;

    public CudaBytes(ICudaRuntime runtime, long length) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _runtime = runtime;
        _memory = runtime.Allocate(Math.Max(1, length));
    }

    /// <summary>The first byte.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory == 0, this);
            return _memory;
        }
    }

    /// <summary>True where the memory is that of this GPU.</summary>
    public bool IsOf(ICudaRuntime runtime) => ReferenceEquals(_runtime, runtime);

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        if (source.IsEmpty) return;
        fixed (byte* first = &MemoryMarshal.GetReference(source)) _runtime.CopyToDevice(Pointer + (nint)offset, first, source.Length);
        GC.KeepAlive(this);
    }

    /// <summary>Frees the memory of a buffer that nobody disposed of.</summary>
    ~CudaBytes() => Dispose(false);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint memory = Interlocked.Exchange(ref _memory, 0);
        if (memory != 0) _runtime.Free(memory);
    }
}

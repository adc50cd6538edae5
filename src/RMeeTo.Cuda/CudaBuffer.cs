using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>Floats in the memory of a GPU.</summary>
internal sealed unsafe class CudaBuffer : DeviceBuffer
{
    private readonly ICudaRuntime _runtime;
    private nint _memory;

    public CudaBuffer(ICudaRuntime runtime, long length) : base(length)
    {
        _runtime = runtime;
        _memory = runtime.Allocate(Math.Max(1, length) * sizeof(float));
        runtime.Clear(_memory, length * sizeof(float));
    }

    /// <summary>The first value.</summary>
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
    public override void Write(ReadOnlySpan<float> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        if (source.IsEmpty) return;
        fixed (float* values = &MemoryMarshal.GetReference(source))
            _runtime.CopyToDevice(Pointer + (nint)(offset * sizeof(float)), values, (long)source.Length * sizeof(float));
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void Read(Span<float> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        if (destination.IsEmpty) return;
        fixed (float* values = &MemoryMarshal.GetReference(destination))
            _runtime.CopyToHost(values, Pointer + (nint)(offset * sizeof(float)), (long)destination.Length * sizeof(float));
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void Clear()
    {
        if (Length > 0) _runtime.Clear(Pointer, Length * sizeof(float));
        GC.KeepAlive(this);
    }

    /// <summary>Frees the memory of a buffer that nobody disposed of.</summary>
    ~CudaBuffer() => Dispose(false);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint memory = Interlocked.Exchange(ref _memory, 0);
        if (memory != 0) _runtime.Free(memory);
    }
}

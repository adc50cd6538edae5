using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Devices;

/// <summary>
/// Memory of the process from which a device copies quickly, made by <see cref="VimDevice.AllocateHost"/>: for a GPU it is locked in place. Of any content when
/// allocated. Any number of threads may fill different parts.
/// </summary>
/// <param name="length">Bytes.</param>
public abstract class HostBuffer(long length) : IDisposable
{
    /// <summary>Number of bytes.</summary>
    public long Length { get; } = length;

    /// <summary>The first byte, aligned to 64.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public abstract nint Pointer { get; }

    /// <summary>Some of the bytes.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="count">Number of bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">They lie outside the buffer.</exception>
    public unsafe Span<byte> Bytes(long offset, int count)
    {
        CheckRange(offset, count);
        return new Span<byte>((byte*)Pointer + offset, count);
    }

    /// <summary>Some of the bytes as floats.</summary>
    /// <param name="offset">First float.</param>
    /// <param name="count">Number of floats.</param>
    /// <exception cref="ArgumentOutOfRangeException">They lie outside the buffer.</exception>
    public unsafe Span<float> Floats(long offset, int count)
    {
        CheckRange(offset, count, sizeof(float));
        return new Span<float>((float*)Pointer + offset, count);
    }

    /// <summary>Frees the memory, once a device has copied what it was told to. Using the buffer, or a span of it, afterwards is an error.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected abstract void Dispose(bool disposing);

    /// <summary>Throws where a range does not lie inside the buffer.</summary>
    /// <param name="offset">First value.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="size">Bytes a value.</param>
    internal void CheckRange(long offset, long count, int size = 1)
    {
        if (offset < 0 || count < 0 || offset > Length / size - count)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} values from {offset} lie outside a buffer of {Length / size}.");
    }
}

/// <summary>Ordinary memory.</summary>
internal sealed unsafe class NativeHostBuffer : HostBuffer
{
    private const int Alignment = 64;
    private void* _memory;

    public NativeHostBuffer(long length) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _memory = NativeMemory.AlignedAlloc((nuint)Math.Max(1, length), Alignment);
        GC.AddMemoryPressure(Math.Max(1, length));
    }

    ~NativeHostBuffer() => Dispose(false);

    public override nint Pointer => _memory != null ? (nint)_memory : throw new ObjectDisposedException(nameof(HostBuffer));

    protected override void Dispose(bool disposing)
    {
        if (_memory == null) return;
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        GC.RemoveMemoryPressure(Math.Max(1, Length));
    }
}

namespace RMeeTo.Vim.Devices;

/// <summary>Bytes in a device's memory: the pixels that <see cref="VimDevice.NormalizeImages"/> reads. Of any content when allocated.</summary>
/// <param name="length">Number of bytes.</param>
public abstract class DeviceBytes(long length) : IDisposable
{
    /// <summary>Number of bytes.</summary>
    public long Length { get; } = length;

    /// <summary>Copies <paramref name="source"/> to the bytes from <paramref name="offset"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They lie outside the buffer.</exception>
    public abstract void Write(ReadOnlySpan<byte> source, long offset = 0);

    /// <summary>Frees the memory. Using the buffer afterwards is an error.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected abstract void Dispose(bool disposing);

    /// <summary>Throws where a range does not lie inside the buffer.</summary>
    protected void CheckRange(long offset, long count)
    {
        if (offset < 0 || count < 0 || offset > Length - count)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} bytes from {offset} lie outside a buffer of {Length}.");
    }
}

/// <summary>Bytes of a device that works in the memory of the process.</summary>
internal sealed class HostBytes(long length) : DeviceBytes(length)
{
    private NativeHostBuffer? _memory = new(length);

    /// <summary>The bytes of a buffer that must lie in the memory of the process.</summary>
    /// <exception cref="ArgumentException">It lies on another kind of device.</exception>
    public static HostBuffer Of(DeviceBytes bytes, string name) => bytes is HostBytes own
        ? own.Memory
        : throw new ArgumentException($"{name} lies on another kind of device.", name);

    private HostBuffer Memory => _memory ?? throw new ObjectDisposedException(nameof(DeviceBytes));

    public override void Write(ReadOnlySpan<byte> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        source.CopyTo(Memory.Bytes(offset, source.Length));
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing) return; // the memory frees itself
        _memory?.Dispose();
        _memory = null;
    }
}

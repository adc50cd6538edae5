using RMeeTo.Vim.Devices;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>Pixels in a flat tensor of bytes that belongs to no dispose scope.</summary>
internal sealed class TorchBytes : DeviceBytes
{
    private readonly Tensor _values;

    public TorchBytes(long length, Device device) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Device = device;
        using var scope = NewDisposeScope();
        _values = empty(length, ScalarType.Byte, device).DetachFromDisposeScope();
    }

    /// <summary>[Length]</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public Tensor Values
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.IsInvalid, this);
            return _values;
        }
    }

    /// <summary>Where they are.</summary>
    public Device Device { get; }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        using var scope = NewDisposeScope();
        Tensor host = empty(source.Length, ScalarType.Byte, CPU);
        source.CopyTo(host.bytes);
        Values.narrow(0, offset, source.Length).copy_(host);
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _values.Dispose();
    }
}

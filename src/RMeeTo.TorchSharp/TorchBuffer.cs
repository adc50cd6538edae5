using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>Floats in a flat tensor that belongs to no dispose scope. What nobody disposes of, the tensor's finalizer frees.</summary>
internal sealed class TorchBuffer : DeviceBuffer
{
    private const int ValuesAtOnce = 1 << 26; // of host memory on the way to or from another device

    private readonly Tensor _values;
    private readonly long _pressure;

    public TorchBuffer(long length, Device device) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Device = device;
        using var scope = NewDisposeScope();
        _values = empty(length, ScalarType.Float32, device).Clear().DetachFromDisposeScope();
        // The collector sees neither libtorch's memory nor that of a GPU.
        _pressure = Math.Max(1, length * sizeof(float));
        GC.AddMemoryPressure(_pressure);
    }

    ~TorchBuffer() => Dispose(false);

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

    /// <summary>Where the values are.</summary>
    public Device Device { get; }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<float> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        for (int done = 0; done < source.Length; done += ValuesAtOnce)
        {
            using var scope = NewDisposeScope();
            var part = source[done..Math.Min(source.Length, done + ValuesAtOnce)];
            Tensor place = Values.narrow(0, offset + done, part.Length);
            bool here = Device.type == DeviceType.CPU;
            Tensor host = here ? place : empty(part.Length, ScalarType.Float32, CPU);
            part.CopyTo(MemoryMarshal.Cast<byte, float>(host.bytes));
            if (!here) place.copy_(host);
            GC.KeepAlive(host);
        }
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void Read(Span<float> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        for (int done = 0; done < destination.Length; done += ValuesAtOnce)
        {
            using var scope = NewDisposeScope();
            var part = destination[done..Math.Min(destination.Length, done + ValuesAtOnce)];
            Tensor host = Values.narrow(0, offset + done, part.Length).cpu();
            MemoryMarshal.Cast<byte, float>(host.bytes).CopyTo(part);
            GC.KeepAlive(host);
        }
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void Clear()
    {
        Values.Clear();
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        // Unfinalized tensors of a buffer that is being finalized are finalized with it, in any order.
        if (disposing)
        {
            if (_values.IsInvalid) return;
            _values.Dispose();
        }
        if (_pressure > 0) GC.RemoveMemoryPressure(_pressure); // 0 where the constructor threw
    }
}

using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>A buffer whose writes wait in a queue; a read waits for all of it.</summary>
internal sealed class QueuedBuffer(DeviceBuffer inner, OperatorQueue queue) : DeviceBuffer(inner.Length)
{
    /// <summary>Where the values lie.</summary>
    public DeviceBuffer Inner => inner;

    public override void Write(ReadOnlySpan<float> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        float[] values = source.ToArray();
        queue.AddCopy(() => inner.Write(values, offset));
    }

    public override void Read(Span<float> destination, long offset = 0)
    {
        queue.Wait();
        inner.Read(destination, offset);
    }

    public override void Clear() => queue.Add(inner.Clear);

    protected override void Dispose(bool disposing)
    {
        queue.Finish();
        inner.Dispose();
    }
}

/// <summary>A weight whose packed form is made when its turn comes, and not freed before.</summary>
internal sealed class QueuedWeight(DeviceMatrix matrix, LinearWeight inner, OperatorQueue queue) : LinearWeight(matrix)
{
    public LinearWeight Inner => inner;

    protected override void Dispose(bool disposing)
    {
        queue.Finish();
        inner.Dispose();
    }
}

/// <summary>Bytes whose writes wait in a queue.</summary>
internal sealed class QueuedBytes(DeviceBytes inner, OperatorQueue queue) : DeviceBytes(inner.Length)
{
    public DeviceBytes Inner => inner;

    public override void Write(ReadOnlySpan<byte> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        byte[] values = source.ToArray();
        queue.AddCopy(() => inner.Write(values, offset));
    }

    protected override void Dispose(bool disposing)
    {
        queue.Finish();
        inner.Dispose();
    }
}

/// <summary>Memory that is copied from when its turn comes, and not freed before.</summary>
internal sealed class QueuedHost(HostBuffer inner, OperatorQueue queue) : HostBuffer(inner.Length)
{
    public override nint Pointer => inner.Pointer;

    protected override void Dispose(bool disposing)
    {
        queue.Finish();
        inner.Dispose();
    }
}

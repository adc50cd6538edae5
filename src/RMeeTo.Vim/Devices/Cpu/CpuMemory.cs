using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Native memory aligned to cache lines, zero when allocated. A finalizer frees what nobody disposed of.</summary>
internal sealed unsafe class CpuBuffer : DeviceBuffer
{
    private const int Alignment = 64;

    public CpuBuffer(long length) : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        nuint bytes = checked((nuint)Math.Max(1, length) * sizeof(float));
        Pointer = (float*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(Pointer, bytes);
        GC.AddMemoryPressure(Math.Max(1, length) * sizeof(float));
    }

    ~CpuBuffer() => Dispose(false);

    /// <summary>The first value; null once disposed.</summary>
    public float* Pointer { get; private set; }

    public override void Write(ReadOnlySpan<float> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        source.CopyTo(new Span<float>(Live + offset, source.Length));
        GC.KeepAlive(this);
    }

    public override void Read(Span<float> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        new ReadOnlySpan<float>(Live + offset, destination.Length).CopyTo(destination);
        GC.KeepAlive(this);
    }

    public override void Clear()
    {
        NativeMemory.Clear(Live, (nuint)Length * sizeof(float));
        GC.KeepAlive(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (Pointer == null) return;
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
        GC.RemoveMemoryPressure(Math.Max(1, Length) * sizeof(float));
    }

    private float* Live => Pointer != null ? Pointer : throw new ObjectDisposedException(nameof(CpuBuffer));
}

/// <summary>A weight with its packed forms: one for the product with activations, one for the product with gradients where there is training.</summary>
internal sealed class CpuLinearWeight : LinearWeight
{
    public CpuLinearWeight(DeviceMatrix matrix, bool forTraining, SimdWidth width) : base(matrix)
    {
        Forward = new PackedMatrix(matrix.Rows, matrix.Columns, PackedFor.Output, width);
        if (forTraining) Backward = new PackedMatrix(matrix.Rows, matrix.Columns, PackedFor.InputGradient, width);
    }

    public PackedMatrix Forward { get; }

    public PackedMatrix? Backward { get; }

    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        Forward.Dispose();
        Backward?.Dispose();
    }
}

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>A buffer of <see cref="ReferenceDevice"/>: every value in double, and open to be read and set as such.</summary>
public sealed class ReferenceBuffer(long length) : DeviceBuffer(length)
{
    /// <summary>The values themselves.</summary>
    public double[] Values { get; } = new double[length];

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<float> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        for (int i = 0; i < source.Length; i++) Values[offset + i] = source[i];
    }

    /// <inheritdoc/>
    public override void Read(Span<float> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)Values[offset + i];
    }

    /// <inheritdoc/>
    public override void Clear() => Array.Clear(Values);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) { }
}

namespace RMeeTo.Vim.Devices;

/// <summary>A run of floats in a device's memory. Zero when allocated. Not thread-safe, except that any number of threads may read.</summary>
public abstract class DeviceBuffer(long length) : IDisposable
{
    /// <summary>Number of values.</summary>
    public long Length { get; } = length;

    /// <summary>Copies <paramref name="source"/> to the values from <paramref name="offset"/>.</summary>
    public abstract void Write(ReadOnlySpan<float> source, long offset = 0);

    /// <summary>Copies the values from <paramref name="offset"/> to <paramref name="destination"/>; waits until they are computed.</summary>
    public abstract void Read(Span<float> destination, long offset = 0);

    /// <summary>Sets every value to zero.</summary>
    public abstract void Clear();

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
        if (offset < 0 || count < 0 || offset > Length - count) // not their sum, which may wrap round
            throw new ArgumentOutOfRangeException(nameof(offset), $"{count} values from {offset} lie outside a buffer of {Length}.");
    }
}

/// <summary>
/// A matrix, or a block of columns of one, inside a <see cref="DeviceBuffer"/>: row r begins at Offset + r · Stride. The default value stands for "none".
/// </summary>
/// <param name="Buffer">Where the values lie.</param>
/// <param name="Offset">First value.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Columns">Values a row.</param>
/// <param name="Stride">Values from a row to the next.</param>
public readonly record struct DeviceMatrix(DeviceBuffer Buffer, long Offset, int Rows, int Columns, int Stride)
{
    /// <summary>A dense matrix at the start of a buffer.</summary>
    public DeviceMatrix(DeviceBuffer buffer, int rows, int columns) : this(buffer, 0, rows, columns, columns) { }

    /// <summary>True for the default value: an operand that is not there.</summary>
    public bool IsNone => Buffer is null;

    /// <summary>Some of the columns, same rows.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The matrix does not have these columns.</exception>
    public DeviceMatrix SliceColumns(int start, int count)
    {
        CheckSlice(start, count, Columns, "columns");
        return this with { Offset = Offset + start, Columns = count };
    }

    /// <summary>Some of the rows, same columns.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The matrix does not have these rows.</exception>
    public DeviceMatrix SliceRows(int start, int count)
    {
        CheckSlice(start, count, Rows, "rows");
        return this with { Offset = Offset + (long)start * Stride, Rows = count };
    }

    /// <summary>The shape as text, such as [197, 384].</summary>
    public override string ToString() => IsNone ? "none" : $"[{Rows}, {Columns}]";

    private void CheckSlice(int start, int count, int all, string what)
    {
        if (start < 0 || count < 0 || start > all - count)
            throw new ArgumentOutOfRangeException(nameof(start), start, $"{count} {what} from {start} do not lie inside a matrix of {this}.");
    }
}

/// <summary>
/// A weight matrix in the form in which a device multiplies by it. The matrix itself stays where it is (it is read, updated and saved there);
/// a device may keep a second, packed copy, which <see cref="VimDevice.Refresh"/> makes anew after the matrix has changed.
/// </summary>
public abstract class LinearWeight(DeviceMatrix matrix) : IDisposable
{
    /// <summary>W [outputs, inputs].</summary>
    public DeviceMatrix Matrix { get; } = matrix;

    /// <summary>Frees the packed copy.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}

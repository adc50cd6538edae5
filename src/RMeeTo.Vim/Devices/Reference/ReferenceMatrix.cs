using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>A <see cref="DeviceMatrix"/> whose shape has been checked, indexed by row and column.</summary>
internal readonly struct ReferenceMatrix
{
    private readonly double[] _values;
    private readonly long _offset;
    private readonly int _stride;

    private ReferenceMatrix(double[] values, DeviceMatrix matrix)
    {
        (_values, _offset, _stride) = (values, matrix.Offset, matrix.Stride);
        (Rows, Columns) = (matrix.Rows, matrix.Columns);
    }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>True where the operand is not there.</summary>
    public bool IsNone => _values is null;

    public ref double this[long row, int column] => ref _values[_offset + row * _stride + column];

    /// <summary>Opens an operand that must have this shape.</summary>
    public static ReferenceMatrix Of(DeviceMatrix matrix, int rows, int columns, [CallerArgumentExpression(nameof(matrix))] string name = "")
    {
        if (matrix.IsNone) throw new ArgumentException($"{name} is none; this operator needs [{rows}, {columns}].", name);
        if (matrix.Rows != rows || matrix.Columns != columns)
            throw new ArgumentException($"{name} is {matrix}; the other operands ask for [{rows}, {columns}].", name);
        if (matrix.Buffer is not ReferenceBuffer buffer)
            throw new ArgumentException($"{name} lies in a {matrix.Buffer.GetType().Name}; ReferenceDevice works on buffers that it allocated.", name);
        long end = rows == 0 ? matrix.Offset : matrix.Offset + (rows - 1L) * matrix.Stride + columns;
        if (matrix.Offset < 0 || end > buffer.Length || (rows > 1 && matrix.Stride < columns))
            throw new ArgumentException($"{name} takes values {matrix.Offset}..{end} with stride {matrix.Stride}; its buffer has {buffer.Length}.", name);
        return new(buffer.Values, matrix);
    }

    /// <summary>Opens an operand that may be none.</summary>
    public static ReferenceMatrix OfOptional(DeviceMatrix matrix, int rows, int columns, [CallerArgumentExpression(nameof(matrix))] string name = "") =>
        matrix.IsNone ? default : Of(matrix, rows, columns, name);

    /// <summary>Sets every value to zero.</summary>
    public void Clear()
    {
        for (int r = 0; r < Rows; r++)
            for (int c = 0; c < Columns; c++) this[r, c] = 0;
    }
}

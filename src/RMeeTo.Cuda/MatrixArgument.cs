using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>A matrix as kernels receive it: <c>Matrix</c> of common.cuh. Data is 0 for an operand that is not there.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct MatrixArgument(nint data, int rows, int columns, int stride)
{
    public readonly nint Data = data;
    public readonly int Rows = rows;
    public readonly int Columns = columns;
    public readonly int Stride = stride;
    public readonly int Padding;

    /// <summary>An operand that is not there.</summary>
    public bool IsNone => Data == 0;

    /// <summary>True where every row begins at a multiple of 16 bytes and holds whole groups of four values: it can be read by float4.</summary>
    public bool IsVectorizable => IsReadableBy(4);

    /// <summary>True where every row begins at a multiple of some values (1, 2 or 4) and holds whole groups of them; true for an operand that is not there.</summary>
    public bool IsReadableBy(int width) => Data % (width * sizeof(float)) == 0 && Stride % width == 0 && Columns % width == 0;
}

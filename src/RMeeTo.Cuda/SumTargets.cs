using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>
/// The vectors that the columns of a matrix of partial sums belong to, one after the other: <c>SumTargets</c> of sums.cu. One that is not there has 0 columns.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct SumTargets
{
    private readonly nint _first, _second, _third, _fourth;
    private readonly int _firstColumns, _secondColumns, _thirdColumns, _fourthColumns;

    /// <summary>Up to four vectors, each dense: [1, n], or [m, n] without gaps between the rows, which counts as m·n columns.</summary>
    public SumTargets(MatrixArgument first, MatrixArgument second = default, MatrixArgument third = default, MatrixArgument fourth = default)
    {
        (_first, _second, _third, _fourth) = (first.Data, second.Data, third.Data, fourth.Data);
        (_firstColumns, _secondColumns, _thirdColumns, _fourthColumns) = (Values(first), Values(second), Values(third), Values(fourth));
    }

    /// <summary>Columns of the matrix of partial sums.</summary>
    public int Columns => _firstColumns + _secondColumns + _thirdColumns + _fourthColumns;

    private static int Values(MatrixArgument target) => target.IsNone ? 0 : checked(target.Rows * target.Columns);
}

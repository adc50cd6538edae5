using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>Matrix products on the GPU, queued in the order of the runtime's stream. All matrices are row-major.</summary>
internal interface IMatrixProducts : IDisposable
{
    /// <summary>For messages, such as "cuBLAS 12.8".</summary>
    string Name { get; }

    /// <summary>How products are computed.</summary>
    MatrixPrecision Precision { get; }

    /// <summary>C (+)= op(A) · op(B).</summary>
    /// <param name="a">A [m, k], or [k, m] where transposed.</param>
    /// <param name="b">B [k, n], or [n, k] where transposed.</param>
    /// <param name="c">C [m, n], of single precision.</param>
    /// <param name="cStride">Values from a row of C to the next.</param>
    /// <param name="m">Rows of C; may be 0.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">Inner extent; where it is 0, C is cleared or stays.</param>
    /// <param name="accumulate">Adds to C instead of writing it.</param>
    void Multiply(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate);
}

/// <summary>One side of a product.</summary>
/// <param name="Values">First value: single precision, or bfloat16 where <paramref name="IsBFloat16"/>; both sides alike.</param>
/// <param name="Stride">Values from a row to the next.</param>
/// <param name="Transposed">The matrix as it lies is the transposed one.</param>
/// <param name="IsBFloat16">Values are bfloat16.</param>
internal readonly record struct ProductOperand(nint Values, int Stride, bool Transposed, bool IsBFloat16 = false);

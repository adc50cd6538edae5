using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>A product of matrices that lie column by column, as BLAS has it: C = op(A) · op(B) + β · C.</summary>
internal interface IColumnMajorProduct : IDisposable
{
    /// <summary>For messages, such as "cuBLAS 12.8".</summary>
    string Name { get; }

    /// <summary>Queues a product.</summary>
    /// <param name="transposeA">op(A) is the transposed A.</param>
    /// <param name="transposeB">op(B) is the transposed B.</param>
    /// <param name="m">Rows of op(A) and C, at least 1.</param>
    /// <param name="n">Columns of op(B) and C, at least 1.</param>
    /// <param name="k">Columns of op(A), at least 1.</param>
    /// <param name="a">A.</param>
    /// <param name="aStride">Values from a column of A to the next.</param>
    /// <param name="b">B.</param>
    /// <param name="bStride">Values from a column of B to the next.</param>
    /// <param name="beta">β, 0 or 1.</param>
    /// <param name="c">C, of single precision; read only where β is not 0.</param>
    /// <param name="cStride">Values from a column of C to the next.</param>
    /// <param name="bfloat16">A and B are bfloat16.</param>
    /// <param name="tensorFloat32">A and B, of single precision, may be rounded to TF32.</param>
    void Multiply(bool transposeA, bool transposeB, int m, int n, int k, nint a, int aStride, nint b, int bStride, float beta, nint c, int cStride,
        bool bfloat16, bool tensorFloat32);
}

/// <summary>
/// Products of row-major matrices by a column-major product: a row-major matrix is the transposed one column-major, and Cᵀ = op(B)ᵀ · op(A)ᵀ. So the sides
/// change places, and nothing else.
/// </summary>
/// <param name="product">What multiplies.</param>
/// <param name="precision">How.</param>
/// <param name="clear">Sets bytes of the GPU's memory to zero, in order.</param>
internal sealed class RowMajorProducts(IColumnMajorProduct product, MatrixPrecision precision, Action<nint, long> clear) : IMatrixProducts
{
    /// <inheritdoc/>
    public string Name => product.Name;

    /// <inheritdoc/>
    public MatrixPrecision Precision => precision;

    /// <inheritdoc/>
    public void Multiply(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate)
    {
        if (a.IsBFloat16 != b.IsBFloat16) throw new ArgumentException("One side of a product is bfloat16 and the other is not.", nameof(b));
        if (m == 0 || n == 0) return;
        if (k == 0) ClearRows(c, cStride, accumulate ? 0 : m, n);
        else
            product.Multiply(b.Transposed, a.Transposed, n, m, k, b.Values, b.Stride, a.Values, a.Stride, accumulate ? 1 : 0, c, cStride,
                a.IsBFloat16, precision == MatrixPrecision.TensorFloat32);
    }

    /// <inheritdoc/>
    public void Dispose() => product.Dispose();

    /// <summary>An empty sum; β · C would be NaN where C is.</summary>
    private void ClearRows(nint c, int stride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++) clear(c + (nint)row * stride * sizeof(float), (long)columns * sizeof(float));
    }
}

using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>Row-major products through a column-major product that is written as BLAS defines it.</summary>
[TestClass]
public sealed unsafe class RowMajorProductsTests
{
    public static IEnumerable<object[]> Cases =>
        from a in new[] { false, true } from b in new[] { false, true } from accumulate in new[] { false, true }
        from shape in new[] { (1, 1, 1), (3, 5, 7), (8, 2, 4), (0, 3, 2), (3, 0, 2), (4, 3, 0) }
        select new object[] { a, b, accumulate, shape.Item1, shape.Item2, shape.Item3 };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void A_product_is_the_sum_of_products(bool transposeA, bool transposeB, bool accumulate, int m, int n, int k)
    {
        const int gap = 3;
        var random = new Random(m + 10 * n + 100 * k);
        int aStride = (transposeA ? m : k) + gap, bStride = (transposeB ? k : n) + gap, cStride = n + gap;
        float[] a = Draw((transposeA ? k : m) * aStride + 1), b = Draw((transposeB ? n : k) * bStride + 1), c = Draw(m * cStride + 1), before = [.. c];
        if (!accumulate) // what is overwritten may hold anything
            for (int i = 0; i < m * n; i++) c[i / n * cStride + i % n] = float.NaN;
        using var products = new RowMajorProducts(
            new PlainBlas(), MatrixPrecision.Float32, (memory, bytes) => new Span<byte>((void*)memory, (int)bytes).Clear());
        fixed (float* pa = a, pb = b, pc = c)
            products.Multiply(new((nint)pa, aStride, transposeA), new((nint)pb, bStride, transposeB), (nint)pc, cStride, m, n, k, accumulate);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
            {
                float sum = accumulate ? before[i * cStride + j] : 0;
                for (int p = 0; p < k; p++)
                    sum += (transposeA ? a[p * aStride + i] : a[i * aStride + p]) * (transposeB ? b[j * bStride + p] : b[p * bStride + j]);
                Assert.AreEqual(sum, c[i * cStride + j], 1e-5f, $"row {i}, column {j}");
            }
        for (int i = 0; i < c.Length; i++)
            if (i % cStride >= n || i >= m * cStride) Assert.AreEqual(before[i], c[i], $"value {i} beside the matrix");

        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    [TestMethod]
    [DataRow(MatrixPrecision.Float32, false, false, false)]
    [DataRow(MatrixPrecision.TensorFloat32, false, false, true)]
    [DataRow(MatrixPrecision.BFloat16, false, false, false)] // operands that were left in single precision
    [DataRow(MatrixPrecision.BFloat16, true, true, false)]
    public void Precision_reaches_the_product(MatrixPrecision precision, bool operands, bool bfloat16, bool tensorFloat32)
    {
        var blas = new PlainBlas { OnlyNotes = true };
        using var products = new RowMajorProducts(blas, precision, (_, _) => { });
        products.Multiply(new(1, 4, false, operands), new(1, 4, true, operands), 1, 4, 4, 4, 4, false);
        Assert.AreEqual((bfloat16, tensorFloat32), (blas.BFloat16, blas.TensorFloat32));
        Assert.AreEqual(precision, products.Precision);
        Assert.ThrowsExactly<ArgumentException>(() => products.Multiply(new(1, 4, false, true), new(1, 4, true, false), 1, 4, 4, 4, 4, false));
    }

    /// <summary>GEMM of the BLAS standard, of single precision.</summary>
    private sealed class PlainBlas : IColumnMajorProduct
    {
        public bool OnlyNotes { get; init; }

        public bool BFloat16 { get; private set; }

        public bool TensorFloat32 { get; private set; }

        public string Name => "plain loops";

        public void Multiply(bool transposeA, bool transposeB, int m, int n, int k, nint a, int aStride, nint b, int bStride, float beta, nint c, int cStride,
            bool bfloat16, bool tensorFloat32)
        {
            (BFloat16, TensorFloat32) = (bfloat16, tensorFloat32);
            if (OnlyNotes) return;
            Assert.IsTrue(m > 0 && n > 0 && k > 0 && aStride >= (transposeA ? k : m) && bStride >= (transposeB ? n : k) && cStride >= m, "what BLAS asks for");
            var (pa, pb, pc) = ((nint)a, (nint)b, (nint)c);
            for (int j = 0; j < n; j++)
                for (int i = 0; i < m; i++)
                {
                    float sum = 0;
                    for (int p = 0; p < k; p++)
                        sum += ((float*)pa)[transposeA ? i * aStride + p : p * aStride + i] * ((float*)pb)[transposeB ? p * bStride + j : j * bStride + p];
                    float* value = (float*)pc + j * cStride + i;
                    *value = beta == 0 ? sum : beta * *value + sum;
                }
        }

        public void Dispose() { }
    }
}

using System.Runtime.Intrinsics;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>The products of linear layers against the plain sum in double, on every vector width of the machine.</summary>
[TestClass]
public sealed unsafe class GemmTests
{
    /// <summary>(M, N, K) of Vim's layers, and sizes around every limit at which the code takes another way.</summary>
    private static readonly (int M, int N, int K)[] Shapes =
    [
        (43, 768, 192), (76, 192, 384), (197, 44, 384), (197, 384, 12), (197, 56, 768), (197, 768, 24), (260, 40, 256), (260, 256, 8), (98, 100, 192),
        (1, 1000, 192), (8, 1000, 192), (6, 300, 601), (261, 301, 520), (600, 5, 3), (600, 48, 64), (1, 1, 1), (7, 1, 90), (1, 90, 7), (515, 49, 50),
    ];

    public static IEnumerable<object[]> Widths => SimdWidths.Supported.Select(width => new object[] { width });

    private static IEnumerable<(int M, int N, int K)> SmallShapes()
    {
        for (var i = 0; i <= 70; i++)
        {
            yield return (i, i * 7 % 53 + 1, i * 5 % 37 + 1);
            yield return (i * 5 % 19 + 1, Math.Max(i, 1), i * 3 % 29 + 1);
            yield return (i * 3 % 17 + 1, i * 11 % 71 + 1, Math.Max(i, 1));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void ProductsOfSmallSizesEqualThePlainSum(object width)
    {
        var index = 0;
        foreach (var (m, n, k) in SmallShapes()) CheckAll((SimdWidth)width, m, n, k, index++);
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void ProductsOfLayerSizesEqualThePlainSum(object width)
    {
        var index = 0;
        var most = Vector128.IsHardwareAccelerated ? long.MaxValue : 5_000_000; // vectors in software are a hundred times slower
        foreach (var (m, n, k) in Shapes.Where(shape => (long)shape.M * shape.N * shape.K < most)) CheckAll((SimdWidth)width, m, n, k, index++);
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void ARowDoesNotDependOnTheRowsAroundIt(object width)
    {
        foreach (var (n, k) in new[] { (44, 384), (192, 70), (17, 9), (12, 40), (40, 33), (301, 520) })
        {
            const int M = 83;
            var random = new Random(n);
            using var a = new GuardedFloats(M * k, random);
            using var bias = new GuardedFloats(n, random);
            using var start = new GuardedFloats(M * n, random);
            using var b = Packed((SimdWidth)width, n, k, PackedFor.Output, random);
            using var all = new GuardedFloats(start);
            Multiply((SimdWidth)width, a.Pointer, k, M, b, all.Pointer, n, true, bias.Pointer);
            foreach (var (row, rows) in new[] { (0, 1), (1, 1), (82, 1), (0, 2), (5, 7), (3, 43), (40, 43), (7, 76), (0, 82) })
            {
                using var part = new GuardedFloats(rows * n);
                start.Span.Slice(row * n, rows * n).CopyTo(part.Span);
                Multiply((SimdWidth)width, a.Pointer + row * k, k, rows, b, part.Pointer, n, true, bias.Pointer);
                Assert.IsTrue(all.Span.Slice(row * n, rows * n).SequenceEqual(part.Span), $"rows {row}..{row + rows} of {M}, N {n}, K {k}");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void AWeightGradientIsTheSameEveryTime(object width)
    {
        foreach (var (m, n, k) in new[] { (300, 44, 70), (197, 100, 12), (600, 65, 49) })
        {
            var random = new Random(m);
            using var dy = new GuardedFloats(m * n, random);
            using var x = new GuardedFloats(m * k, random);
            using var first = new GuardedFloats(n * k, random);
            using var second = new GuardedFloats(first);
            using var scratch = new GemmScratch();
            AccumulateWeightGradient((SimdWidth)width, dy.Pointer, n, x.Pointer, k, m, n, k, first.Pointer, k, scratch);
            AccumulateWeightGradient((SimdWidth)width, dy.Pointer, n, x.Pointer, k, m, n, k, second.Pointer, k, scratch);
            Assert.IsTrue(first.Span.SequenceEqual(second.Span), $"{m} {n} {k}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void PackingAgainReplacesTheWeights(object width)
    {
        using var weights = new GuardedFloats(5 * 7, new Random(1));
        using var b = new PackedMatrix(5, 7, PackedFor.Output, (SimdWidth)width);
        using var a = new GuardedFloats(7);
        using var c = new GuardedFloats(5);
        a.Span[2] = 1;
        for (var round = 0; round < 2; round++)
        {
            weights.Span.Reverse();
            b.Pack(weights.Pointer, 7);
            Multiply((SimdWidth)width, a.Pointer, 7, 1, b, c.Pointer, 5, false, null);
            for (var j = 0; j < 5; j++) Assert.AreEqual(weights.Span[j * 7 + 2], c.Span[j]);
        }
    }

    [TestMethod]
    public void AMatrixPackedForAnotherWidthIsRefused()
    {
        using var b = new PackedMatrix(5, 7, PackedFor.Output, SimdWidth.Vector256);
        using var floats = new GuardedFloats(7);
        Assert.ThrowsExactly<ArgumentException>(() => Multiply(SimdWidth.Vector128, floats.Pointer, 7, 1, b, floats.Pointer, 5, false, null));
    }

    [TestMethod]
    public void TheBestWidthIsSupportedAndTheNarrowestAlways()
    {
        CollectionAssert.Contains(SimdWidths.Supported.ToList(), SimdWidths.Best);
        CollectionAssert.Contains(SimdWidths.Supported.ToList(), SimdWidth.Vector128);
        Assert.AreEqual(SimdWidths.Best, SimdWidths.Supported.Last());
    }

    // The index varies accumulation, bias and the gaps between rows from shape to shape.
    private static void CheckAll(SimdWidth width, int m, int n, int k, int index)
    {
        var random = new Random(index);
        var (accumulate, withBias, gap) = (index % 2 == 0, index % 3 == 0, index % 4);
        foreach (var use in new[] { PackedFor.Output, PackedFor.InputGradient }) CheckProduct(width, m, n, k, use, accumulate, withBias, gap, random);
        CheckWeightGradient(width, m, n, k, gap, random);
    }

    // Whichever way B [k, n] is packed, c = a·B (+ c) (+ bias).
    private static void CheckProduct(SimdWidth width, int m, int n, int k, PackedFor use, bool accumulate, bool withBias, int gap, Random random)
    {
        int aStride = k + gap, cStride = n + gap, wStride = (use == PackedFor.Output ? k : n) + gap;
        using var a = new GuardedFloats(Extent(m, k, aStride), random);
        using var c = new GuardedFloats(Extent(m, n, cStride), random);
        using var before = new GuardedFloats(c);
        using var bias = new GuardedFloats(n, random);
        using var w = new GuardedFloats(use == PackedFor.Output ? Extent(n, k, wStride) : Extent(k, n, wStride), random);
        using var b = use == PackedFor.Output ? new PackedMatrix(n, k, use, width) : new PackedMatrix(k, n, use, width);
        b.Pack(w.Pointer, wStride);
        Multiply(width, a.Pointer, aStride, m, b, c.Pointer, cStride, accumulate, withBias ? bias.Pointer : null);

        float* wPointer = w.Pointer, aPointer = a.Pointer, old = before.Pointer, biasPointer = bias.Pointer;
        var (wColumn, wStep) = use == PackedFor.Output ? (wStride, 1) : (1, wStride);
        CheckMatrix(c, before, m, n, cStride, $"{width} {use} M {m} N {n} K {k}", (i, j) =>
        {
            var (sum, magnitude) = Dot(aPointer + i * aStride, 1, wPointer + j * wColumn, wStep, k);
            var rest = (accumulate ? (double)old[i * cStride + j] : 0) + (withBias ? biasPointer[j] : 0);
            return (sum + rest, magnitude + 2);
        });
    }

    private static void CheckWeightGradient(SimdWidth width, int m, int n, int k, int gap, Random random)
    {
        int dyStride = n + gap, xStride = k + gap, dwStride = k + gap;
        using var dy = new GuardedFloats(Extent(m, n, dyStride), random);
        using var x = new GuardedFloats(Extent(m, k, xStride), random);
        using var dw = new GuardedFloats(Extent(n, k, dwStride), random);
        using var before = new GuardedFloats(dw);
        using var scratch = new GemmScratch();
        AccumulateWeightGradient(width, dy.Pointer, dyStride, x.Pointer, xStride, m, n, k, dw.Pointer, dwStride, scratch);

        float* dyPointer = dy.Pointer, xPointer = x.Pointer, old = before.Pointer;
        CheckMatrix(dw, before, n, k, dwStride, $"{width} weight gradient M {m} N {n} K {k}", (i, j) =>
        {
            var (sum, magnitude) = Dot(dyPointer + i, dyStride, xPointer + j, xStride, m);
            return (sum + old[i * dwStride + j], magnitude + 1);
        });
    }

    // Elements within rounding of what is expected (of large matrices some 10,000 spread over all tiles), everything between the rows untouched.
    private static void CheckMatrix(
        GuardedFloats actual, GuardedFloats before, int rows, int columns, int stride, string what, Func<int, int, (double Value, double Magnitude)> expected)
    {
        var sampling = rows * columns / 10_000 + 1;
        for (var index = 0; index < actual.Count; index++)
        {
            var (i, j) = (index / stride, index % stride);
            if (j >= columns)
            {
                if (actual.Span[index] != before.Span[index]) Assert.Fail($"{what}: touched the gap behind row {i} of {rows}");
                continue;
            }
            if ((i * 7 + j) % sampling != 0) continue;
            var (value, magnitude) = expected(i, j);
            if (!(Math.Abs(actual.Span[index] - value) <= 1e-6 * magnitude)) Assert.Fail($"{what}: [{i}, {j}] is {actual.Span[index]}, expected {value}");
        }
    }

    private static (double Sum, double Magnitude) Dot(float* a, int aStep, float* b, int bStep, int steps)
    {
        double sum = 0, magnitude = 0;
        for (var step = 0; step < steps; step++)
        {
            var product = (double)a[step * aStep] * b[step * bStep];
            sum += product;
            magnitude += Math.Abs(product);
        }
        return (sum, magnitude);
    }

    private static int Extent(int rows, int columns, int stride) => rows == 0 ? 0 : (rows - 1) * stride + columns;

    private static PackedMatrix Packed(SimdWidth width, int n, int k, PackedFor use, Random random)
    {
        using var weights = new GuardedFloats(n * k, random);
        var packed = new PackedMatrix(n, k, use, width);
        packed.Pack(weights.Pointer, k);
        return packed;
    }

    private static void Multiply(SimdWidth width, float* a, long aStride, int m, PackedMatrix b, float* c, long cStride, bool accumulate, float* bias)
    {
        if (width == SimdWidth.Vector512) Gemm<Simd512, Vector512<float>>.Multiply(a, aStride, m, b, c, cStride, accumulate, bias);
        else if (width == SimdWidth.Vector256) Gemm<Simd256, Vector256<float>>.Multiply(a, aStride, m, b, c, cStride, accumulate, bias);
        else Gemm<Simd128, Vector128<float>>.Multiply(a, aStride, m, b, c, cStride, accumulate, bias);
    }

    private static void AccumulateWeightGradient(
        SimdWidth width, float* dy, long dyStride, float* x, long xStride, int m, int n, int k, float* dw, long dwStride, GemmScratch scratch)
    {
        if (width == SimdWidth.Vector512)
            GemmWeightGradient<Simd512, Vector512<float>>.Accumulate(dy, dyStride, x, xStride, m, n, k, dw, dwStride, scratch);
        else if (width == SimdWidth.Vector256)
            GemmWeightGradient<Simd256, Vector256<float>>.Accumulate(dy, dyStride, x, xStride, m, n, k, dw, dwStride, scratch);
        else
            GemmWeightGradient<Simd128, Vector128<float>>.Accumulate(dy, dyStride, x, xStride, m, n, k, dw, dwStride, scratch);
    }
}

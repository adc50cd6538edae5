using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>Matrix products as cuBLAS computes them: operands rounded to the precision, products and sums in single precision.</summary>
internal sealed unsafe class EmulatedProducts(EmulatedCuda cuda, MatrixPrecision precision = MatrixPrecision.Float32) : IMatrixProducts
{
    public string Name => $"{precision} products on the CPU";

    public MatrixPrecision Precision => precision;

    public void Multiply(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate)
    {
        if (a.IsBFloat16 != b.IsBFloat16) throw new EmulationException("One side of a product is bfloat16, the other is not.");
        if (cStride < n || a.Stride < (a.Transposed ? m : k) || b.Stride < (b.Transposed ? k : n))
            throw new EmulationException($"A product of {m} x {k} with {k} x {n}: rows of {a.Stride}, {b.Stride} and {cStride} values are too short.");
        cuda.Enqueue(() => Run(a, b, (float*)c, cStride, m, n, k, accumulate));
    }

    public void Dispose() { }

    private void Run(ProductOperand a, ProductOperand b, float* c, int cStride, int m, int n, int k, bool accumulate)
    {
        float[] left = Dense(a, m, k), right = Dense(b, k, n);
        for (int i = 0; i < m; i++)
        {
            var row = new Span<float>(c + (long)i * cStride, n);
            if (!accumulate) row.Clear();
            for (int p = 0; p < k; p++) AddScaled(row, left[i * k + p], right.AsSpan(p * n, n));
        }
    }

    private static void AddScaled(Span<float> row, float factor, ReadOnlySpan<float> values)
    {
        int i = 0, width = System.Numerics.Vector<float>.Count;
        for (; i <= row.Length - width; i += width)
            (new System.Numerics.Vector<float>(row[i..]) + factor * new System.Numerics.Vector<float>(values[i..])).CopyTo(row[i..]);
        for (; i < row.Length; i++) row[i] += factor * values[i];
    }

    /// <summary>op(operand), row by row, rounded.</summary>
    private float[] Dense(ProductOperand operand, int rows, int columns)
    {
        var dense = new float[rows * columns];
        for (int r = 0; r < rows; r++)
            for (int col = 0; col < columns; col++)
            {
                long place = operand.Transposed ? (long)col * operand.Stride + r : (long)r * operand.Stride + col;
                dense[r * columns + col] = operand.IsBFloat16
                    ? BitConverter.Int32BitsToSingle(((ushort*)operand.Values)[place] << 16)
                    : Rounded(((float*)operand.Values)[place]);
            }
        return dense;
    }

    /// <summary>To TF32: ten bits of the fraction are kept, ties to even.</summary>
    private float Rounded(float value)
    {
        if (precision != MatrixPrecision.TensorFloat32 || !float.IsFinite(value)) return value;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFFu);
    }
}

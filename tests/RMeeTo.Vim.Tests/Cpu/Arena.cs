using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>Unmanaged memory of one test, with guard values around every matrix that is handed out. Guards are NaN: a kernel that reads one shows it in its result.</summary>
internal sealed unsafe class Arena : IDisposable
{
    private readonly List<Matrix> matrices = [];
    private readonly List<nint> blocks = [];
    private readonly Random random;

    public Arena(int seed) => random = new Random(seed);

    /// <summary>Uninitialised scratch, filled with NaN.</summary>
    public float* Scratch(nint floats)
    {
        var matrix = new Cpu.Matrix(Allocate(checked((int)floats) + 2 * Cpu.Matrix.Guard), 1, checked((int)floats), checked((int)floats) + Cpu.Matrix.Guard);
        matrices.Add(matrix);
        return matrix.Pointer;
    }

    /// <summary>Random values in [low, high); rows are a few guards apart.</summary>
    public Matrix Matrix(int rows, int columns, double low = -1, double high = 1)
    {
        var stride = columns + Cpu.Matrix.Guard;
        var matrix = new Cpu.Matrix(Allocate(rows * stride + Cpu.Matrix.Guard), rows, columns, stride);
        for (var r = 0; r < rows; r++)
            for (var c = 0; c < columns; c++) matrix[r, c] = (float)(low + (high - low) * random.NextDouble());
        matrices.Add(matrix);
        return matrix;
    }

    /// <summary>A contiguous row, as parameters are stored.</summary>
    public Matrix Vector(int count, double low = -1, double high = 1) => Matrix(1, count, low, high);

    public void AssertGuards()
    {
        foreach (var matrix in matrices) matrix.AssertGuards();
    }

    public void Dispose()
    {
        foreach (var block in blocks) NativeMemory.Free((void*)block);
    }

    private Span<float> Allocate(int count)
    {
        var pointer = (float*)NativeMemory.Alloc((nuint)count, sizeof(float));
        blocks.Add((nint)pointer);
        var span = new Span<float>(pointer, count);
        span.Fill(Cpu.Matrix.GuardValue);
        return span;
    }
}

/// <summary>A float matrix [rows, columns] whose rows are apart, surrounded by guard values.</summary>
internal sealed unsafe class Matrix
{
    public const int Guard = 3;
    public static readonly float GuardValue = BitConverter.Int32BitsToSingle(0x7FC0BEEF);

    private readonly float* block;
    private readonly int length;

    public Matrix(Span<float> span, int rows, int columns, int stride)
    {
        block = (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(span));
        length = span.Length;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    public int Rows { get; }

    public int Columns { get; }

    public int Stride { get; }

    public float* Pointer => block + Guard;

    public ref float this[int row, int column] => ref Pointer[row * Stride + column];

    /// <summary>The values as double, row after row without gaps.</summary>
    public double[] ToDouble()
    {
        var values = new double[Rows * Columns];
        for (var r = 0; r < Rows; r++)
            for (var c = 0; c < Columns; c++) values[r * Columns + c] = this[r, c];
        return values;
    }

    /// <summary>Largest difference, relative to the largest expected magnitude.</summary>
    public void AssertClose(double[] expected, double tolerance, string what)
    {
        Assert.AreEqual(expected.Length, Rows * Columns, what);
        var largest = expected.Length == 0 ? 0 : expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            var actual = this[i / Columns, i % Columns];
            if (!(Math.Abs(actual - expected[i]) <= tolerance * largest + 1e-30))
                Assert.Fail($"{what}[{i / Columns}, {i % Columns}]: expected {expected[i]:R}, found {actual:R}; off by {Math.Abs(actual - expected[i]) / largest:E2} of the largest value, allowed {tolerance:E1}");
        }
    }

    public void AssertGuards()
    {
        for (var i = 0; i < length; i++)
        {
            var offset = i - Guard;
            var inside = offset >= 0 && offset / Stride < Rows && offset % Stride < Columns;
            if (!inside && BitConverter.SingleToInt32Bits(block[i]) != BitConverter.SingleToInt32Bits(GuardValue))
                Assert.Fail($"A value outside the [{Rows}, {Columns}] matrix was overwritten, at offset {offset} with row stride {Stride}.");
        }
    }
}

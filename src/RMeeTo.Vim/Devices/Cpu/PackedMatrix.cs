using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using AdvSimd64 = System.Runtime.Intrinsics.Arm.AdvSimd.Arm64;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Which product a weight W [N, K] is packed for.</summary>
internal enum PackedFor
{
    /// <summary>y [M, N] = x [M, K]·Wᵀ: reduction over K.</summary>
    Output,

    /// <summary>dx [M, K] = dy [M, N]·W: reduction over N.</summary>
    InputGradient,
}

/// <summary>
/// The right operand [Steps, Columns] of a product, in the order in which <see cref="Gemm{TSimd,TVector}"/> reads it: panel by panel
/// (<see cref="PanelLayout"/>), each panel [Steps, panel width], the columns behind the last filled with zeros. Native memory, aligned to cache lines.
/// </summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private const int Alignment = 64;

    private readonly int _vectorLength;
    private readonly PackedFor _use;
    private float* _data;

    /// <summary>For a weight W [outputs, inputs]; zero until the first <see cref="Pack"/>.</summary>
    public PackedMatrix(int outputs, int inputs, PackedFor use, SimdWidth width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outputs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inputs);
        (Steps, Columns) = use == PackedFor.Output ? (inputs, outputs) : (outputs, inputs);
        _use = use;
        _vectorLength = width.FloatCount();
        Layout = new PanelLayout(Columns, _vectorLength);
        ByteCount = checked((long)Layout.Vectors * _vectorLength * Steps * sizeof(float));
        _data = (float*)NativeMemory.AlignedAlloc((nuint)ByteCount, Alignment);
        NativeMemory.Clear(_data, (nuint)ByteCount); // packing writes the columns that exist; the rest stays zero
    }

    ~PackedMatrix() => Free();

    /// <summary>Length of the reduction.</summary>
    public int Steps { get; }

    /// <summary>Columns of the product.</summary>
    public int Columns { get; }

    public PanelLayout Layout { get; }

    public long ByteCount { get; }

    /// <summary>Floats in the vectors that the panels are made of.</summary>
    public int VectorLength => _vectorLength;

    public bool IsDisposed => _data == null;

    /// <summary>The panel that starts at this vector of the columns.</summary>
    public float* Panel(int firstVector) => _data + (long)firstVector * _vectorLength * Steps;

    /// <summary>Fills from <paramref name="weights"/> [N, K], rows <paramref name="stride"/> floats apart.</summary>
    public void Pack(float* weights, long stride)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        for (var vector = 0; vector < Layout.Vectors;)
        {
            var vectors = Layout.VectorsAt(vector);
            var (first, width) = (vector * _vectorLength, vectors * _vectorLength);
            var columns = Math.Min(width, Columns - first);
            if (_use == PackedFor.Output) PackTransposed(weights + first * stride, stride, Panel(vector), width, columns);
            else PackStraight(weights + first, stride, Panel(vector), width, columns);
            vector += vectors;
        }
        GC.KeepAlive(this);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }

    private void PackStraight(float* source, long stride, float* panel, int width, int columns)
    {
        for (var step = 0; step < Steps; step++)
            new ReadOnlySpan<float>(source + step * stride, columns).CopyTo(new Span<float>(panel + (long)step * width, columns));
    }

    // panel[k, j] = source[j, k]. A block is one cache line of every source row, so that each line is read while it is near.
    private void PackTransposed(float* source, long stride, float* panel, int width, int columns)
    {
        const int Block = 16;
        var wholeColumns = columns & ~3;
        for (var first = 0; first < Steps; first += Block)
        {
            var last = Math.Min(first + Block, Steps);
            var wholeSteps = first + ((last - first) & ~3);
            for (var j = 0; j < wholeColumns; j += 4)
            {
                for (var k = first; k < wholeSteps; k += 4)
                    Transpose4X4(source + j * stride + k, stride, panel + (long)k * width + j, width);
                TransposePlain(source, stride, panel, width, j, j + 4, wholeSteps, last);
            }
            TransposePlain(source, stride, panel, width, wholeColumns, columns, first, last);
        }
    }

    private static void TransposePlain(float* source, long stride, float* panel, int width, int column, int columnEnd, int step, int stepEnd)
    {
        for (var j = column; j < columnEnd; j++)
            for (var k = step; k < stepEnd; k++)
                panel[(long)k * width + j] = source[j * stride + k];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4X4(float* source, long sourceStride, float* target, long targetStride)
    {
        var row0 = Vector128.Load(source);
        var row1 = Vector128.Load(source + sourceStride);
        var row2 = Vector128.Load(source + 2 * sourceStride);
        var row3 = Vector128.Load(source + 3 * sourceStride);
        var (even0, even1) = (ZipLow(row0, row2), ZipHigh(row0, row2));
        var (odd0, odd1) = (ZipLow(row1, row3), ZipHigh(row1, row3));
        ZipLow(even0, odd0).Store(target);
        ZipHigh(even0, odd0).Store(target + targetStride);
        ZipLow(even1, odd1).Store(target + 2 * targetStride);
        ZipHigh(even1, odd1).Store(target + 3 * targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackLow(a, b);
        if (AdvSimd64.IsSupported) return AdvSimd64.ZipLow(a, b);
        return Vector128.Create(a[0], b[0], a[1], b[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackHigh(a, b);
        if (AdvSimd64.IsSupported) return AdvSimd64.ZipHigh(a, b);
        return Vector128.Create(a[2], b[2], a[3], b[3]);
    }
}

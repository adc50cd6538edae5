using System.Runtime.InteropServices;

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
        for (var first = 0; first < Steps; first += Block)
            Transpose.Block(source + first, stride, columns, Math.Min(Block, Steps - first), panel + (long)first * width, width);
    }
}

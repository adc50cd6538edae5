using System.Runtime.Intrinsics;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Cpu.CpuDevice;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>The operators on the buffers of <see cref="CpuDevice"/>, in its vectors and with its matrix products.</summary>
internal static class CpuDeitOperators
{
    /// <summary>Operators for vectors of one width.</summary>
    public static DeitOperators Create(SimdWidth width) => width switch
    {
        SimdWidth.Vector512 => new CpuDeitOperators<Simd512, Vector512<float>>(width),
        SimdWidth.Vector256 => new CpuDeitOperators<Simd256, Vector256<float>>(width),
        _ => new CpuDeitOperators<Simd128, Vector128<float>>(width),
    };
}

/// <summary>The operators for one vector width; each checks its operands and calls its kernel.</summary>
internal sealed unsafe class CpuDeitOperators<TSimd, TVector>(SimdWidth width) : DeitOperators where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private readonly Dictionary<(int Rows, int Columns, PackedFor Use), PackedMatrix> _packed = [];
    private readonly GemmScratch _gemm = new();
    private CpuBuffer _scratch = new(1);

    public override void Attention(int batch, int heads, DeviceMatrix qkv, DeviceMatrix sizes, DeviceMatrix probabilities, DeviceMatrix output)
    {
        int rows = output.Rows, channels = output.Columns, length = rows / batch, columns = ProbabilityColumns(length);
        Rows x = new(Pointer(qkv, rows, 3 * channels, nameof(qkv)), qkv.Stride), y = new(Pointer(output, rows, channels, nameof(output)), output.Stride);
        Rows kept = new(PointerOrNull(probabilities, heads * rows, columns, nameof(probabilities)), probabilities.Stride);
        Rows size = new(PointerOrNull(sizes, rows, 1, nameof(sizes)), sizes.Stride);
        float* logSizes = Scratch(columns + (nint)length * columns);
        var p = kept.First == null ? new Rows(logSizes + columns, columns) : kept;
        for (int image = 0; image < batch; image++)
        {
            AttentionRows<TSimd, TVector>.LogSizes(size.First, size.Stride, length, columns, logSizes);
            for (int head = 0; head < heads; head++)
            {
                Head(new(x.Right(head * (channels / heads)), channels, channels / heads, length), logSizes, p, y.Right(head * (channels / heads)));
                if (kept.First != null) p = p.Down(length);
            }
            (x, y) = (x.Down(length), y.Down(length));
            if (size.First != null) size = size.Down(length);
        }
    }

    public override void AttentionGradient(
        int batch, int heads, DeviceMatrix qkv, DeviceMatrix probabilities, DeviceMatrix outputGradient, DeviceMatrix qkvGradient)
    {
        int rows = outputGradient.Rows, channels = outputGradient.Columns, length = rows / batch;
        int width = channels / heads, columns = ProbabilityColumns(length);
        var x = new Rows(Pointer(qkv, rows, 3 * channels, nameof(qkv)), qkv.Stride);
        var dx = new Rows(Pointer(qkvGradient, rows, 3 * channels, nameof(qkvGradient)), qkvGradient.Stride);
        var dy = new Rows(Pointer(outputGradient, rows, channels, nameof(outputGradient)), outputGradient.Stride);
        var p = new Rows(Pointer(probabilities, heads * rows, columns, nameof(probabilities)), probabilities.Stride);
        var dp = new Rows(Scratch((nint)length * columns), columns);
        for (int row = 0; row < rows; row++) new Span<float>(dx.Down(row).First, 3 * channels).Clear(); // keys and values are added to
        for (int image = 0; image < batch; image++)
        {
            for (int head = 0; head < heads; head++, p = p.Down(length))
            {
                var (from, to) = (new HeadRows(x.Right(head * width), channels, width, length), new HeadRows(dx.Right(head * width), channels, width, length));
                HeadGradient(from, p, dy.Right(head * width), to, dp);
            }
            (x, dx, dy) = (x.Down(length), dx.Down(length), dy.Down(length));
        }
    }

    public override void Gelu(DeviceMatrix x, DeviceMatrix y)
    {
        float* from = Pointer(x, x.Rows, x.Columns, nameof(x)), to = Pointer(y, x.Rows, x.Columns, nameof(y));
        for (int row = 0; row < x.Rows; row++) GeluKernel<TSimd, TVector>.Forward(from + (long)row * x.Stride, to + (long)row * y.Stride, x.Columns);
    }

    public override void GeluGradient(DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx)
    {
        float* from = Pointer(x, x.Rows, x.Columns, nameof(x)), up = Pointer(dy, x.Rows, x.Columns, nameof(dy));
        float* to = Pointer(dx, x.Rows, x.Columns, nameof(dx));
        for (int row = 0; row < x.Rows; row++)
            GeluKernel<TSimd, TVector>.Backward(from + (long)row * x.Stride, up + (long)row * dy.Stride, to + (long)row * dx.Stride, x.Columns);
    }

    public override void MeanOfHeads(int heads, DeviceMatrix x, DeviceMatrix mean)
    {
        int columns = mean.Columns;
        float* from = Pointer(x, x.Rows, heads * columns, nameof(x)), to = Pointer(mean, x.Rows, columns, nameof(mean));
        for (int row = 0; row < x.Rows; row++, from += x.Stride, to += mean.Stride)
        {
            RowMath<TSimd, TVector>.Scale(from, 1f / heads, to, columns);
            for (int head = 1; head < heads; head++) RowMath<TSimd, TVector>.AddScaled(from + head * columns, 1f / heads, to, columns);
        }
    }

    public override void Merge(int batch, DeitMergePlan plan, DeviceMatrix source, DeviceMatrix destination)
    {
        int channels = source.Columns;
        float* from = Pointer(source, batch * plan.TokensIn, channels, nameof(source));
        float* to = Pointer(destination, batch * plan.TokensOut, channels, nameof(destination));
        for (int image = 0; image < batch; image++, to += (long)plan.TokensOut * destination.Stride)
        {
            Array.Clear(plan.Touched);
            for (int row = image * plan.TokensIn; row < (image + 1) * plan.TokensIn; row++, from += source.Stride)
            {
                int target = plan.Destinations[row];
                if (target < 0) continue;
                float* destinationRow = to + (long)target * destination.Stride;
                if (plan.Touched[target]) RowMath<TSimd, TVector>.AddScaled(from, (float)plan.Weights[row], destinationRow, channels);
                else RowMath<TSimd, TVector>.Scale(from, (float)plan.Weights[row], destinationRow, channels);
                plan.Touched[target] = true;
            }
        }
    }

    public override void MergeGradient(int batch, DeitMergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient)
    {
        int channels = sourceGradient.Columns;
        float* from = Pointer(destinationGradient, batch * plan.TokensOut, channels, nameof(destinationGradient));
        float* to = Pointer(sourceGradient, batch * plan.TokensIn, channels, nameof(sourceGradient));
        for (int row = 0; row < batch * plan.TokensIn; row++, to += sourceGradient.Stride)
        {
            int target = plan.Destinations[row];
            if (target < 0) new Span<float>(to, channels).Clear();
            else
            {
                float* destinationRow = from + ((long)row / plan.TokensIn * plan.TokensOut + target) * destinationGradient.Stride;
                RowMath<TSimd, TVector>.Scale(destinationRow, (float)plan.Weights[row], to, channels);
            }
        }
    }

    public override void Dispose()
    {
        foreach (var packed in _packed.Values) packed.Dispose();
        _gemm.Dispose();
        _scratch.Dispose();
    }

    protected override void FindPartners(DeviceMatrix metric, DeitMergePlan plan)
    {
        int channels = metric.Columns, evens = plan.EvenCount, odds = plan.OddCount;
        float* rows = Pointer(metric, plan.TokensIn, channels, nameof(metric));
        float* even = Scratch((nint)(evens + odds) * channels + (nint)evens * odds);
        float* odd = even + (nint)evens * channels, similarity = odd + (nint)odds * channels;
        for (int k = 0; k < evens; k++) CpuDevice<TSimd, TVector>.Normalise(rows + 2L * k * metric.Stride, even + (nint)k * channels, channels);
        for (int k = 0; k < odds; k++) CpuDevice<TSimd, TVector>.Normalise(rows + (2L * k + 1) * metric.Stride, odd + (nint)k * channels, channels);
        // Rows of length 1 are ranked alike by cosine and by Euclidean distance.
        if (plan.Options.Distance == MergeDistance.L1) RowDistances<TSimd, TVector>.NegativeL1(even, evens, odd, odds, channels, similarity);
        else Multiply(new(even, channels), evens, Pack(new(odd, channels), odds, channels, PackedFor.Output), new(similarity, odds));
        for (int k = 0; k < evens; k++, similarity += odds)
        {
            var (best, partner) = (float.NegativeInfinity, 0);
            for (int j = 0; j < odds; j++)
                if (similarity[j] > best) (best, partner) = (similarity[j], j);
            plan.SetPartner(k, partner, best);
        }
    }

    private void Head(in HeadRows x, float* logSizes, Rows p, Rows y)
    {
        Multiply(x.Query, x.Length, Pack(x.Key, x.Length, x.Width, PackedFor.Output), p);
        float scale = 1 / MathF.Sqrt(x.Width);
        for (int row = 0; row < x.Length; row++)
            AttentionRows<TSimd, TVector>.Softmax(p.Down(row).First, scale, logSizes, x.Length, ProbabilityColumns(x.Length));
        Multiply(p, x.Length, Pack(x.Value, x.Length, x.Width, PackedFor.InputGradient), y);
    }

    private void HeadGradient(in HeadRows x, Rows p, Rows dy, in HeadRows dx, Rows dp)
    {
        AddTransposed(p, dy, x, dx.Value);
        Multiply(dy, x.Length, Pack(x.Value, x.Length, x.Width, PackedFor.Output), dp);
        float scale = 1 / MathF.Sqrt(x.Width);
        for (int row = 0; row < x.Length; row++)
            AttentionRows<TSimd, TVector>.SoftmaxGradient(p.Down(row).First, scale, dp.Down(row).First, x.Length, ProbabilityColumns(x.Length));
        Multiply(dp, x.Length, Pack(x.Key, x.Length, x.Width, PackedFor.InputGradient), dx.Query);
        AddTransposed(dp, x.Query, x, dx.Key);
    }

    private static void Multiply(Rows a, int rows, PackedMatrix b, Rows c) =>
        Gemm<TSimd, TVector>.Multiply(a.First, a.Stride, rows, b, c.First, c.Stride, false, null);

    /// <summary>c [L, width] += aᵀ·b with a [L, L] and b [L, width].</summary>
    private void AddTransposed(Rows a, Rows b, in HeadRows shape, Rows c) => GemmWeightGradient<TSimd, TVector>.Accumulate(
        a.First, a.Stride, b.First, b.Stride, shape.Length, shape.Length, shape.Width, c.First, c.Stride, _gemm);

    /// <summary>A [rows, columns] matrix as the right side of a product.</summary>
    private PackedMatrix Pack(Rows values, int rows, int columns, PackedFor use)
    {
        if (!_packed.TryGetValue((rows, columns, use), out var packed)) _packed.Add((rows, columns, use), packed = new PackedMatrix(rows, columns, use, width));
        packed.Pack(values.First, values.Stride);
        return packed;
    }

    /// <summary>Room that grows and stays.</summary>
    private float* Scratch(nint floats)
    {
        if (_scratch.Length < floats)
        {
            var larger = new CpuBuffer(floats); // first, so that running out of memory leaves the operators as they were
            _scratch.Dispose();
            _scratch = larger;
        }
        return _scratch.Pointer;
    }

    /// <summary>Rows of floats, the next always so many floats further on.</summary>
    private readonly struct Rows(float* first, long stride)
    {
        public float* First { get; } = first;

        public long Stride { get; } = stride;

        public Rows Down(int rows) => new(First + rows * Stride, Stride);

        public Rows Right(int columns) => new(First + columns, Stride);
    }

    /// <summary>One head of one image inside the matrix of queries, keys and values.</summary>
    private readonly struct HeadRows(Rows query, int channels, int width, int length)
    {
        public Rows Query { get; } = query;

        public Rows Key { get; } = query.Right(channels);

        public Rows Value { get; } = query.Right(2 * channels);

        /// <summary>Channels of the head.</summary>
        public int Width { get; } = width;

        /// <summary>Tokens.</summary>
        public int Length { get; } = length;
    }
}

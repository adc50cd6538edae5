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
        float* projected = Pointer(qkv, rows, 3 * channels, nameof(qkv)), to = Pointer(output, rows, channels, nameof(output));
        float* size = PointerOrNull(sizes, rows, 1, nameof(sizes)), kept = PointerOrNull(probabilities, heads * rows, columns, nameof(probabilities));
        float* logSizes = Scratch(columns + (nint)length * columns), scratch = logSizes + columns;
        for (int image = 0; image < batch; image++, projected += (long)length * qkv.Stride, to += (long)length * output.Stride)
        {
            AttentionRows<TSimd, TVector>.LogSizes(size == null ? null : size + (long)image * length * sizes.Stride, sizes.Stride, length, columns, logSizes);
            for (int head = 0; head < heads; head++)
            {
                float* p = kept == null ? scratch : kept + ((long)image * heads + head) * length * probabilities.Stride;
                Head(projected, qkv.Stride, head, channels / heads, channels, length, logSizes, p, kept == null ? columns : probabilities.Stride, to, output.Stride);
            }
        }
    }

    public override void AttentionGradient(int batch, int heads, DeviceMatrix qkv, DeviceMatrix probabilities, DeviceMatrix outputGradient, DeviceMatrix qkvGradient)
    {
        int rows = outputGradient.Rows, channels = outputGradient.Columns, length = rows / batch, columns = ProbabilityColumns(length);
        float* x = Pointer(qkv, rows, 3 * channels, nameof(qkv)), dx = Pointer(qkvGradient, rows, 3 * channels, nameof(qkvGradient));
        float* p = Pointer(probabilities, heads * rows, columns, nameof(probabilities)), dy = Pointer(outputGradient, rows, channels, nameof(outputGradient));
        float* dp = Scratch((nint)length * columns);
        for (int row = 0; row < rows; row++) new Span<float>(dx + (long)row * qkvGradient.Stride, 3 * channels).Clear(); // keys and values are added to
        for (int image = 0; image < batch; image++)
        {
            for (int head = 0; head < heads; head++, p += (long)length * probabilities.Stride)
            {
                int first = head * (channels / heads);
                HeadGradient(x + first, qkv.Stride, channels / heads, channels, length, p, probabilities.Stride, dy + first, outputGradient.Stride, dx + first, qkvGradient.Stride, dp, columns);
            }
            x += (long)length * qkv.Stride;
            dx += (long)length * qkvGradient.Stride;
            dy += (long)length * outputGradient.Stride;
        }
    }

    public override void Gelu(DeviceMatrix x, DeviceMatrix y)
    {
        float* from = Pointer(x, x.Rows, x.Columns, nameof(x)), to = Pointer(y, x.Rows, x.Columns, nameof(y));
        for (int row = 0; row < x.Rows; row++) GeluKernel<TSimd, TVector>.Forward(from + (long)row * x.Stride, to + (long)row * y.Stride, x.Columns);
    }

    public override void GeluGradient(DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx)
    {
        float* from = Pointer(x, x.Rows, x.Columns, nameof(x)), up = Pointer(dy, x.Rows, x.Columns, nameof(dy)), to = Pointer(dx, x.Rows, x.Columns, nameof(dx));
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
        float* from = Pointer(source, batch * plan.TokensIn, channels, nameof(source)), to = Pointer(destination, batch * plan.TokensOut, channels, nameof(destination));
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
            else RowMath<TSimd, TVector>.Scale(from + ((long)row / plan.TokensIn * plan.TokensOut + target) * destinationGradient.Stride, (float)plan.Weights[row], to, channels);
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
        float* even = Scratch((nint)(evens + odds) * channels + (nint)evens * odds), odd = even + (nint)evens * channels, similarity = odd + (nint)odds * channels;
        for (int k = 0; k < evens; k++) CpuDevice<TSimd, TVector>.Normalise(rows + 2L * k * metric.Stride, even + (nint)k * channels, channels);
        for (int k = 0; k < odds; k++) CpuDevice<TSimd, TVector>.Normalise(rows + (2L * k + 1) * metric.Stride, odd + (nint)k * channels, channels);
        if (plan.Options.Distance == MergeDistance.L1) RowDistances<TSimd, TVector>.NegativeL1(even, evens, odd, odds, channels, similarity);
        else Gemm<TSimd, TVector>.Multiply(even, channels, evens, Pack(odd, channels, odds, channels, PackedFor.Output), similarity, odds, false, null); // L2 ranks unit rows as the cosine does
        for (int k = 0; k < evens; k++, similarity += odds)
        {
            var (best, partner) = (float.NegativeInfinity, 0);
            for (int j = 0; j < odds; j++)
                if (similarity[j] > best) (best, partner) = (similarity[j], j);
            plan.SetPartner(k, partner, best);
        }
    }

    private void Head(float* qkv, long stride, int head, int width, int channels, int length, float* logSizes, float* p, long pStride, float* output, long outputStride)
    {
        float* q = qkv + head * width, k = q + channels, v = k + channels;
        Gemm<TSimd, TVector>.Multiply(q, stride, length, Pack(k, stride, length, width, PackedFor.Output), p, pStride, false, null);
        for (int row = 0; row < length; row++) AttentionRows<TSimd, TVector>.Softmax(p + row * pStride, 1 / MathF.Sqrt(width), logSizes, length, ProbabilityColumns(length));
        Gemm<TSimd, TVector>.Multiply(p, pStride, length, Pack(v, stride, length, width, PackedFor.InputGradient), output + head * width, outputStride, false, null);
    }

    private void HeadGradient(float* q, long stride, int width, int channels, int length, float* p, long pStride, float* dy, long dyStride, float* dq, long dqStride, float* dp, int columns)
    {
        float* k = q + channels, v = k + channels, dk = dq + channels, dv = dk + channels;
        GemmWeightGradient<TSimd, TVector>.Accumulate(p, pStride, dy, dyStride, length, length, width, dv, dqStride, _gemm);
        Gemm<TSimd, TVector>.Multiply(dy, dyStride, length, Pack(v, stride, length, width, PackedFor.Output), dp, columns, false, null);
        for (int row = 0; row < length; row++) AttentionRows<TSimd, TVector>.SoftmaxGradient(p + row * pStride, 1 / MathF.Sqrt(width), dp + (long)row * columns, length, columns);
        Gemm<TSimd, TVector>.Multiply(dp, columns, length, Pack(k, stride, length, width, PackedFor.InputGradient), dq, dqStride, false, null);
        GemmWeightGradient<TSimd, TVector>.Accumulate(dp, columns, q, stride, length, length, width, dk, dqStride, _gemm);
    }

    /// <summary>A [rows, columns] matrix as the right side of a product.</summary>
    private PackedMatrix Pack(float* values, long stride, int rows, int columns, PackedFor use)
    {
        if (!_packed.TryGetValue((rows, columns, use), out var packed)) _packed.Add((rows, columns, use), packed = new PackedMatrix(rows, columns, use, width));
        packed.Pack(values, stride);
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
}

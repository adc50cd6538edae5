using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>The operators for one vector width; each checks its operands and calls the kernel in the file of its name.</summary>
internal sealed unsafe partial class CpuDevice<TSimd, TVector>(SimdWidth width) : CpuDevice(width) where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private readonly GemmScratch _gemm = new();
    private CpuBuffer _scratch = new(1);

    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false)
    {
        var (outputs, inputs) = (weight.Matrix.Rows, weight.Matrix.Columns);
        Gemm<TSimd, TVector>.Multiply(Pointer(x, x.Rows, inputs, nameof(x)), x.Stride, x.Rows, ((CpuLinearWeight)weight).Forward,
            Pointer(y, x.Rows, outputs, nameof(y)), y.Stride, accumulate, PointerOrNull(bias, 1, outputs, nameof(bias)));
    }

    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false)
    {
        var (outputs, inputs) = (weight.Matrix.Rows, weight.Matrix.Columns);
        var packed = ((CpuLinearWeight)weight).Backward
            ?? throw new InvalidOperationException("This weight was made for inference; make it with forTraining: true.");
        Gemm<TSimd, TVector>.Multiply(Pointer(dy, dy.Rows, outputs, nameof(dy)), dy.Stride, dy.Rows, packed,
            Pointer(dx, dy.Rows, inputs, nameof(dx)), dx.Stride, accumulate, null);
    }

    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        float* dyPointer = Pointer(dy, dy.Rows, weightGradient.Rows, nameof(dy));
        GemmWeightGradient<TSimd, TVector>.Accumulate(dyPointer, dy.Stride, Pointer(x, dy.Rows, weightGradient.Columns, nameof(x)), x.Stride,
            dy.Rows, weightGradient.Rows, weightGradient.Columns,
            Pointer(weightGradient, weightGradient.Rows, weightGradient.Columns, nameof(weightGradient)), weightGradient.Stride, _gemm);
        if (biasGradient.IsNone) return;
        float* bias = Pointer(biasGradient, 1, weightGradient.Rows, nameof(biasGradient));
        for (int row = 0; row < dy.Rows; row++) RowMath<TSimd, TVector>.AddTo(dyPointer + (long)row * dy.Stride, bias, weightGradient.Rows);
    }

    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        var (rows, channels) = (residual.Rows, residual.Columns);
        var arguments = Norm(norm, sum, statistics, rows, channels);
        arguments.Residual = Pointer(residual, rows, channels, nameof(residual));
        arguments.ResidualStride = residual.Stride;
        arguments.Hidden = PointerOrNull(hidden, rows, channels, nameof(hidden));
        arguments.HiddenStride = hidden.Stride;
        arguments.Y = Pointer(y, rows, channels, nameof(y));
        arguments.YStride = y.Stride;
        Cpu.AddNorm.Forward<TSimd, TVector>(arguments);
    }

    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels) = (sum.Rows, sum.Columns);
        Cpu.AddNorm.Backward<TSimd, TVector>(Norm(norm, sum, statistics, rows, channels), new AddNormGradients
        {
            Y = Pointer(dy, rows, channels, nameof(dy)),
            YStride = dy.Stride,
            Sum = Pointer(sumGradient, rows, channels, nameof(sumGradient)),
            SumStride = sumGradient.Stride,
            Weight = Pointer(weightGradient, 1, channels, nameof(weightGradient)),
            Bias = PointerOrNull(biasGradient, 1, channels, nameof(biasGradient)),
        });
    }

    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        var (rows, channels) = (conv.Batch * conv.Length, x.Columns);
        float* output = Pointer(y, rows, channels, nameof(y)), scratch = Scratch(CausalConvSilu.ScratchFloats<TSimd, TVector>(channels));
        var arguments = Conv(conv, x);
        for (int image = 0; image < conv.Batch; image++)
        {
            CausalConvSilu.Forward<TSimd, TVector>(arguments, output + (long)image * conv.Length * y.Stride, y.Stride, scratch, sameParameters: image > 0);
            arguments.X += (long)conv.Length * x.Stride;
        }
    }

    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels) = (conv.Batch * conv.Length, x.Columns);
        float* scratch = Scratch(CausalConvSilu.ScratchFloats<TSimd, TVector>(channels));
        var arguments = Conv(conv, x);
        var gradients = new CausalConvGradients
        {
            Y = Pointer(dy, rows, channels, nameof(dy)),
            YStride = dy.Stride,
            X = Pointer(dx, rows, channels, nameof(dx)),
            XStride = dx.Stride,
            AccumulateX = accumulate,
            Weight = Pointer(weightGradient, channels, conv.Weight.Columns, nameof(weightGradient)),
            Bias = PointerOrNull(biasGradient, 1, channels, nameof(biasGradient)),
        };
        for (int image = 0; image < conv.Batch; image++)
        {
            CausalConvSilu.Backward<TSimd, TVector>(arguments, gradients, scratch, sameParameters: image > 0);
            arguments.X += (long)conv.Length * x.Stride;
            gradients.Y += (long)conv.Length * dy.Stride;
            gradients.X += (long)conv.Length * dx.Stride;
        }
    }

    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y)
    {
        float* from = Pointer(x, x.Rows, x.Columns, nameof(x)), to = Pointer(y, x.Rows, x.Columns, nameof(y));
        float* f = Pointer(factor, 1, x.Columns, nameof(factor));
        for (int row = 0; row < x.Rows; row++) RowMath<TSimd, TVector>.Multiply(from + (long)row * x.Stride, f, to + (long)row * y.Stride, x.Columns);
    }

    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient)
    {
        var (rows, channels) = (x.Rows, x.Columns);
        float* xPointer = Pointer(x, rows, channels, nameof(x)), dyPointer = Pointer(dy, rows, channels, nameof(dy));
        float* dxPointer = Pointer(dx, rows, channels, nameof(dx)), f = Pointer(factor, 1, channels, nameof(factor));
        float* df = Pointer(factorGradient, 1, channels, nameof(factorGradient));
        for (int row = 0; row < rows; row++)
        {
            RowMath<TSimd, TVector>.AddProduct(dyPointer + (long)row * dy.Stride, xPointer + (long)row * x.Stride, df, channels);
            RowMath<TSimd, TVector>.Multiply(dyPointer + (long)row * dy.Stride, f, dxPointer + (long)row * dx.Stride, channels);
        }
    }

    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        float** pointers = stackalloc float*[sources.Count];
        for (int i = 0; i < sources.Count; i++) pointers[i] = Range(sources[i], offset, count, nameof(sources));
        LaneSum.Sum<TSimd, TVector>(pointers, sources.Count, Range(destination, offset, count, nameof(destination)), (nint)count);
    }

    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count) =>
        AdamWKernel.Step<TSimd, TVector>(step, Range(values, offset, count, nameof(values)), Range(gradient, offset, count, nameof(gradient)),
            Range(firstMoment, offset, count, nameof(firstMoment)), Range(secondMoment, offset, count, nameof(secondMoment)), (nint)count);

    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count) =>
        MovingAverageKernel.Step<TSimd, TVector>(
            decay, Range(average, offset, count, nameof(average)), Range(values, offset, count, nameof(values)), (nint)count);

    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        _gemm.Dispose();
        _scratch.Dispose();
    }

    private static float* Range(DeviceBuffer buffer, long offset, long count, string name)
    {
        if (count < 1 || count > int.MaxValue) throw new ArgumentOutOfRangeException(nameof(count), count, "A range has from 1 to 2^31 values.");
        return Pointer(new DeviceMatrix(buffer, offset, 1, (int)count, (int)count), 1, (int)count, name);
    }

    /// <summary>Room that grows and stays.</summary>
    private float* Scratch(nint floats)
    {
        if (_scratch.Length < floats)
        {
            var larger = new CpuBuffer(floats); // first, so that running out of memory leaves the device as it was
            _scratch.Dispose();
            _scratch = larger;
        }
        return _scratch.Pointer;
    }

    private static AddNormArguments Norm(NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, int rows, int channels) => new()
    {
        Rows = rows,
        Channels = channels,
        Layer = norm.Kind == NormKind.Layer,
        Epsilon = norm.Epsilon,
        Weight = Pointer(norm.Weight, 1, channels, nameof(norm.Weight)),
        Bias = PointerOrNull(norm.Bias, 1, channels, nameof(norm.Bias)),
        Sum = Pointer(sum, rows, channels, nameof(sum)),
        SumStride = sum.Stride,
        Statistics = Pointer(statistics, rows, 2, nameof(statistics)),
        StatisticsStride = statistics.Stride,
    };

    private static CausalConvArguments Conv(ConvOperands conv, DeviceMatrix x) => new()
    {
        Length = conv.Length,
        Channels = x.Columns,
        Taps = conv.Weight.Columns,
        X = Pointer(x, conv.Batch * conv.Length, x.Columns, nameof(x)),
        XStride = x.Stride,
        Weight = Contiguous(conv.Weight, x.Columns, conv.Weight.Columns, nameof(conv.Weight)),
        Bias = PointerOrNull(conv.Bias, 1, x.Columns, nameof(conv.Bias)),
        Silu = conv.Silu,
        Reverse = conv.Reverse,
    };

    /// <summary>An operand whose rows follow each other without a gap.</summary>
    private static float* Contiguous(DeviceMatrix matrix, int rows, int columns, string name) => matrix.Stride == columns || rows == 1
        ? Pointer(matrix, rows, columns, name)
        : throw new ArgumentException($"{name} has a row stride of {matrix.Stride}; this operator needs {columns}, rows without gaps.", name);
}

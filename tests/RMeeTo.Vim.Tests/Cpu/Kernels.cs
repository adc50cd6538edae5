using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>The kernels of one vector width, so that a test takes the width as a plain argument.</summary>
internal abstract unsafe class Kernels
{
    /// <summary>Kernels for 512, 256 or 128 bits; the test counts as skipped where the processor lacks them.</summary>
    public static Kernels Of(int bits)
    {
        switch (bits)
        {
            case 512 when Avx512F.IsSupported && Avx512DQ.IsSupported: return new Kernels<Simd512, Vector512<float>>();
            case 256 when Avx2.IsSupported && Fma.IsSupported: return new Kernels<Simd256, Vector256<float>>();
            case 128: return new Kernels<Simd128, Vector128<float>>();
        }

        Assert.Inconclusive($"No {bits}-bit vectors on this processor.");
        return null!;
    }

    public abstract int Lanes { get; }

    public abstract void Apply(VectorFunction function, float* source, float* destination, float* slope, int count);

    public abstract nint ScanScratch(int channels, int states);

    public abstract nint ScanCheckpoints(int length, int channels, int states);

    public abstract void Scan(in SelectiveScanArguments arguments, float* scratch);

    public abstract nint ScanBackwardScratch(int channels, int states);

    public abstract void ScanBackward(in SelectiveScanArguments arguments, in SelectiveScanGradients gradients, float* scratch);

    public abstract nint ConvScratch(int channels);

    public abstract void Conv(in CausalConvArguments arguments, float* y, nint yStride, float* scratch);

    public abstract void ConvBackward(in CausalConvArguments arguments, in CausalConvGradients gradients, float* scratch);

    public abstract void Norm(in AddNormArguments arguments);

    public abstract void NormBackward(in AddNormArguments arguments, in AddNormGradients gradients);

    public abstract void AdamW(in AdamWStep step, float* values, float* gradient, float* firstMoment, float* secondMoment, nint count);

    public abstract void SumLanes(float** sources, int sourceCount, float* destination, nint count);
}

internal enum VectorFunction
{
    Exp,
    Softplus,
    SoftplusWithSlope,
    Sigmoid,
    Silu,
    SiluWithSlope,
}

internal sealed unsafe class Kernels<TSimd, TVector> : Kernels where TSimd : struct, ISimd<TVector> where TVector : struct
{
    public override int Lanes => TSimd.Count;

    public override void Apply(VectorFunction function, float* source, float* destination, float* slope, int count)
    {
        for (var i = 0; i < count; i += TSimd.Count)
        {
            var x = TSimd.Load(source + i);
            var derivative = x;
            var y = function switch
            {
                VectorFunction.Exp => VectorMath.Exp<TSimd, TVector>(x),
                VectorFunction.Softplus => VectorMath.Softplus<TSimd, TVector>(x),
                VectorFunction.SoftplusWithSlope => VectorMath.SoftplusWithSlope<TSimd, TVector>(x, out derivative),
                VectorFunction.Sigmoid => VectorMath.Sigmoid<TSimd, TVector>(x),
                VectorFunction.Silu => VectorMath.Silu<TSimd, TVector>(x),
                _ => VectorMath.SiluWithSlope<TSimd, TVector>(x, out derivative),
            };
            TSimd.Store(y, destination + i);
            TSimd.Store(derivative, slope + i);
        }
    }

    public override nint ScanScratch(int channels, int states) => SelectiveScan.ScratchFloats<TSimd, TVector>(channels, states);

    public override nint ScanCheckpoints(int length, int channels, int states) => SelectiveScan.CheckpointFloats<TSimd, TVector>(length, channels, states);

    public override void Scan(in SelectiveScanArguments arguments, float* scratch) => SelectiveScan.Forward<TSimd, TVector>(arguments, scratch);

    public override nint ScanBackwardScratch(int channels, int states) => SelectiveScanBackward.ScratchFloats<TSimd, TVector>(channels, states);

    public override void ScanBackward(in SelectiveScanArguments arguments, in SelectiveScanGradients gradients, float* scratch) =>
        SelectiveScanBackward.Backward<TSimd, TVector>(arguments, gradients, scratch);

    public override nint ConvScratch(int channels) => CausalConvSilu.ScratchFloats<TSimd, TVector>(channels);

    public override void Conv(in CausalConvArguments arguments, float* y, nint yStride, float* scratch) => CausalConvSilu.Forward<TSimd, TVector>(arguments, y, yStride, scratch);

    public override void ConvBackward(in CausalConvArguments arguments, in CausalConvGradients gradients, float* scratch) =>
        CausalConvSilu.Backward<TSimd, TVector>(arguments, gradients, scratch);

    public override void Norm(in AddNormArguments arguments) => AddNorm.Forward<TSimd, TVector>(arguments);

    public override void NormBackward(in AddNormArguments arguments, in AddNormGradients gradients) => AddNorm.Backward<TSimd, TVector>(arguments, gradients);

    public override void AdamW(in AdamWStep step, float* values, float* gradient, float* firstMoment, float* secondMoment, nint count) =>
        AdamWKernel.Step<TSimd, TVector>(step, values, gradient, firstMoment, secondMoment, count);

    public override void SumLanes(float** sources, int sourceCount, float* destination, nint count) => LaneSum.Sum<TSimd, TVector>(sources, sourceCount, destination, count);
}

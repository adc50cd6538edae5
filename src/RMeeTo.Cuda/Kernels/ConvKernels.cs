using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>conv.cu and what its kernels receive.</summary>
internal static class ConvKernels
{
    /// <summary>Threads a block at most.</summary>
    public const int MaximumThreads = 256;

    /// <summary>K.</summary>
    public const int MinimumTaps = 2, MaximumTaps = 4;

    private static readonly CudaKernel[] s_forward = OfEveryTaps("causal_conv"), s_forward4 = OfEveryTaps("causal_conv4");
    private static readonly CudaKernel[] s_gradient = OfEveryTaps("causal_conv_gradient"), s_gradient2 = OfEveryTaps("causal_conv_gradient2");

    /// <summary>For one channel a thread, or four.</summary>
    public static CudaKernel Forward(int taps, int width) => (width == 4 ? s_forward4 : s_forward)[taps - MinimumTaps];

    /// <summary>For one channel a thread, or two.</summary>
    public static CudaKernel Gradient(int taps, int width) => (width == 2 ? s_gradient2 : s_gradient)[taps - MinimumTaps];

    private static CudaKernel[] OfEveryTaps(string function) =>
        [.. Enumerable.Range(MinimumTaps, MaximumTaps - MinimumTaps + 1).Select(taps => new CudaKernel("conv.cu", function, ("TAPS", taps)))];

    /// <summary>How tokens are cut into chunks.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Walk
    {
        public int Length, ChunkLength, Chunks, Reverse;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ForwardArguments
    {
        public MatrixArgument X, Y;
        public nint Weight, Bias;
        public Walk Walk;
        public int Silu, Padding;

        public readonly int Width => X.IsVectorizable && Y.IsVectorizable ? 4 : 1;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct GradientArguments
    {
        public MatrixArgument X, Dy, Dx, Partials;
        public nint Weight, Bias;
        public Walk Walk;
        public int Images, BlockImages, Silu, Accumulate;

        public readonly int Width => X.IsReadableBy(2) && Dy.IsReadableBy(2) && Dx.IsReadableBy(2) ? 2 : 1;
    }
}

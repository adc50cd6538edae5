using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>norm.cu and what its kernels receive.</summary>
internal static class NormKernels
{
    /// <summary>Threads a block.</summary>
    public const int Threads = 256;

    /// <summary>Rows that a block works on at a time: one a warp.</summary>
    public const int Warps = Threads / 32;

    /// <summary>The longest row that a warp holds in its registers.</summary>
    public const int MaximumChannels = MaximumGroups * Group;

    /// <summary>Channels of a warp in one float4 a lane, and for how many of these it has registers.</summary>
    private const int Group = 128, MaximumGroups = 8;

    private static readonly CudaKernel[] s_forward = OfEveryGroups("add_norm");
    private static readonly CudaKernel[] s_gradient = OfEveryGroups("add_norm_gradient"), s_gradientBias = OfEveryGroups("add_norm_gradient_bias");

    /// <summary>For rows of any length and alignment.</summary>
    public static readonly CudaKernel ForwardAny = Of(0, "add_norm_any"), GradientAny = Of(0, "add_norm_gradient_any"), ParameterSums = Of(0, "norm_parameter_sums");

    /// <summary>For rows in registers.</summary>
    public static CudaKernel Forward(int channels) => s_forward[Groups(channels) - 1];

    /// <summary>For rows in registers.</summary>
    public static CudaKernel Gradient(int channels, bool bias) => (bias ? s_gradientBias : s_gradient)[Groups(channels) - 1];

    private static int Groups(int channels) => (channels - 1) / Group + 1;

    private static CudaKernel[] OfEveryGroups(string function) => [.. Enumerable.Range(1, MaximumGroups).Select(groups => Of(groups, function))];

    private static CudaKernel Of(int groups, string function) => new("norm.cu", function, ("GROUPS", groups));

    [StructLayout(LayoutKind.Sequential)]
    public struct ForwardArguments
    {
        public MatrixArgument Residual, Hidden, Sum, Y, Statistics;
        public nint Weight, Bias;
        public float Epsilon;
        public int Layer;

        public readonly bool FitsRegisters => Sum.Columns <= MaximumChannels
            && Residual.IsVectorizable && Hidden.IsVectorizable && Sum.IsVectorizable && Y.IsVectorizable && (Weight | Bias) % 16 == 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct GradientArguments
    {
        public MatrixArgument Sum, Statistics, Dy, SumGradient, Partials;
        public nint Weight;
        public int BlockRows, Layer;

        public readonly bool FitsRegisters => Sum.Columns <= MaximumChannels
            && Sum.IsVectorizable && Dy.IsVectorizable && SumGradient.IsVectorizable && Weight % 16 == 0;
    }
}

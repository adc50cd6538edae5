using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>linear.cu and what its kernels receive.</summary>
internal static class LinearKernels
{
    /// <summary>Threads a block.</summary>
    public const int Threads = 256;

    /// <summary>Rows a block: one a warp.</summary>
    public const int Rows = Threads / 32;

    private const string File = "linear.cu";

    public static readonly CudaKernel WriteBias = new(File, "write_bias"), WriteBias4 = new(File, "write_bias4");
    public static readonly CudaKernel Convert = new(File, "convert_to_bfloat16"), Convert4 = new(File, "convert_to_bfloat16_4");

    [StructLayout(LayoutKind.Sequential)]
    public struct BiasArguments
    {
        public MatrixArgument Y;
        public nint Bias;
        public int Accumulate, Padding;

        public readonly bool IsVectorizable => Y.IsVectorizable && Bias % 16 == 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ConvertArguments
    {
        public MatrixArgument Source;
        public nint Destination;
        public int Stride, Padding;
    }
}

using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>sums.cu and what its kernels receive.</summary>
internal static class SumKernels
{
    /// <summary>Threads a block of the partial sums, and of their addition.</summary>
    public const int PartialThreads = 256, AddThreads = 1024;

    /// <summary>Columns a block of the addition.</summary>
    public const int AddColumns = 8;

    private const string File = "sums.cu";

    public static readonly CudaKernel Partial = new(File, "partial_sums"), Partial4 = new(File, "partial_sums4");
    public static readonly CudaKernel Add = new(File, "add_sums");

    /// <summary>Columns a block of the partial sums: a warp's width of one value a lane, or of four.</summary>
    public static int PartialColumns(bool vectorizable) => vectorizable ? 128 : 32;

    [StructLayout(LayoutKind.Sequential)]
    public struct PartialArguments
    {
        public MatrixArgument Rows;
        public nint Partials;
        public int ChunkRows, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct AddArguments
    {
        public MatrixArgument Rows;
        public SumTargets Targets;
    }
}

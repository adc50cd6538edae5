using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>rows.cu and what its kernels receive.</summary>
internal static class RowKernels
{
    private const string File = "rows.cu";

    public static readonly VectorKernel Gather = new(File, "gather_rows");
    public static readonly VectorKernel Scatter = new(File, "scatter_rows");
    public static readonly VectorKernel ScaleChannels = new(File, "scale_channels");
    public static readonly VectorKernel ScaleChannelsGradient = new(File, "scale_channels_gradient");
    public static readonly VectorKernel ScaleImages = new(File, "scale_images");
    public static readonly VectorKernel Mean = new(File, "mean_rows");
    public static readonly VectorKernel MeanGradient = new(File, "mean_rows_gradient");

    [StructLayout(LayoutKind.Sequential)]
    public struct RowArguments
    {
        public MatrixArgument All, Taken;
        public int Length, Row, KeepOthers, Padding;

        public readonly bool IsVectorizable => All.IsVectorizable && Taken.IsVectorizable;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ScaleArguments
    {
        public MatrixArgument X, Factor, Y;
        public int Length, Accumulate;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ScaleGradientArguments
    {
        public MatrixArgument X, Factor, Dy, Dx, Partials;
        public int BlockRows, Padding;

        public readonly bool IsVectorizable => X.IsVectorizable && Factor.IsVectorizable && Dy.IsVectorizable && Dx.IsVectorizable;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MeanArguments
    {
        public MatrixArgument Rows, Weights, Means;
        public int Length, BlockRows;

        public readonly bool IsVectorizable => Rows.IsVectorizable && Means.IsVectorizable;
    }
}

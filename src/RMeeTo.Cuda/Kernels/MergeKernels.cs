using System.Numerics;
using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>merge.cu and what its kernels receive.</summary>
internal static class MergeKernels
{
    private const string File = "merge.cu";

    /// <summary>UNROLL of merge.cu.</summary>
    private const int GroupsOfLane = 3;

    /// <summary>A quarter of a warp reads 128 bytes in a piece.</summary>
    private const int LeastLanes = 8;

    public static readonly VectorKernel Rows = new(File, "merge_rows");
    public static readonly VectorKernel Extremes = new(File, "merge_extremes");
    public static readonly VectorKernel Gradient = new(File, "merge_gradient");
    public static readonly VectorKernel GatherClassRows = new(File, "gather_class_rows");
    public static readonly VectorKernel ScatterClassRows = new(File, "scatter_class_rows");
    public static readonly VectorKernel AddMetric = new(File, "add_metric");

    /// <summary>Lanes that walk along a row together: a power of two, so many that each has up to three groups of values.</summary>
    public static int Lanes(int columns, bool vectorizable)
    {
        int groups = vectorizable ? columns / 4 : columns;
        return Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)(groups + GroupsOfLane - 1) / GroupsOfLane), LeastLanes, VectorKernel.Threads);
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MergeArguments
    {
        public PlanArgument Plan;
        public MatrixArgument Source, Destination, Winners;
        public int Lanes, Combination;

        public readonly bool IsVectorizable => Source.IsVectorizable && Destination.IsVectorizable && (Winners.IsNone || Winners.IsVectorizable);
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ClassRowArguments
    {
        public PlanArgument Plan;
        public MatrixArgument All, Rows;
        public int Lanes, Padding;

        public readonly bool IsVectorizable => All.IsVectorizable && Rows.IsVectorizable;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MetricArguments
    {
        public MatrixArgument Values, Metric;
        public float Factor;
        public int Tokens, Turned, Accumulate, Lanes, Padding;
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>training.cu and flat.cu, and what their kernels receive.</summary>
internal static class TrainingKernels
{
    /// <summary>SOURCES of flat.cu: buffers that one launch adds up.</summary>
    public const int MaximumSources = 64;

    public static readonly CudaKernel Softmax = new("training.cu", "softmax");
    public static readonly CudaKernel Loss = new("training.cu", "loss");
    public static readonly VectorKernel SumBuffers = new("flat.cu", "sum_buffers");
    public static readonly VectorKernel AdamW = new("flat.cu", "adamw");
    public static readonly VectorKernel MovingAverage = new("flat.cu", "moving_average");

    [StructLayout(LayoutKind.Sequential)]
    public struct SoftmaxArguments
    {
        public MatrixArgument Logits, Probabilities;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct LossArguments
    {
        public MatrixArgument Logits, Targets, Teacher, Losses, Gradient;
        public float TargetWeight, TeacherWeight, GradientScale;
    }

    [InlineArray(MaximumSources)]
    public struct Sources
    {
        private nint _first;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct SumArguments
    {
        public nint Destination;
        public Sources Sources;
        public long Count;
        public int SourceCount, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct AdamWArguments
    {
        public nint Values, Gradient, FirstMoment, SecondMoment;
        public long Count;
        public float GradientScale, Beta1, Beta2, New1, New2, Keep, Size, Root, Epsilon, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct AverageArguments
    {
        public nint Average, Values;
        public long Count;
        public float Share, Padding;
    }
}

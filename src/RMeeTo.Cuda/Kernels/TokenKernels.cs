using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>tokens.cu and what its kernels receive.</summary>
internal static class TokenKernels
{
    private const string File = "tokens.cu";

    public static readonly VectorKernel ExtractPatches = new(File, "extract_patches");
    public static readonly VectorKernel Embed = new(File, "embed");
    public static readonly VectorKernel EmbedGradient = new(File, "embed_gradient");
    public static readonly VectorKernel SumFrames = new(File, "sum_frames");

    [StructLayout(LayoutKind.Sequential)]
    public struct PatchArguments
    {
        public MatrixArgument Images, Patches;
        public int Height, Width, Frames, Edge, Stride, Tubelet, GridWidth, FramePatches, ImagePatches, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct EmbedArguments
    {
        public MatrixArgument Patches, Tokens, ClassToken, TailToken, Positions, Times;
        public int Batch, Length, FramePatches, Frames, ClassRow, Padding;

        public readonly bool IsVectorizable => Patches.IsVectorizable && Tokens.IsVectorizable && ClassToken.IsVectorizable && TailToken.IsVectorizable
            && Positions.IsVectorizable && Times.IsVectorizable;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct FrameSumArguments
    {
        public MatrixArgument Tokens, Partials;
        public int Length, FramePatches, Frames, ClassRow;
    }
}

using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>images.cu and what its kernel receives.</summary>
internal static class ImageKernels
{
    public static readonly VectorKernel Normalize = new("images.cu", "normalize_images");

    [StructLayout(LayoutKind.Sequential)]
    public struct PixelArguments
    {
        public nint Pixels;
        public MatrixArgument Table, Images;
        public int Frames, Plane, FrameBlocks, Padding;
    }
}

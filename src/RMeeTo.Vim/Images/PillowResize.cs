using System.Buffers;
using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Images;

/// <summary>
/// Bicubic resize of 8-bit images, equal to the byte to Pillow's <c>Image.resize(size, BICUBIC, box)</c>: separable, columns first, antialiased when shrinking,
/// weights in 22-bit fixed point, the result between the two passes rounded and clamped to bytes.
/// </summary>
/// <remarks>Written after Pillow's libImaging/Resample.c; it is integer arithmetic, so it gives the same bytes on every processor.</remarks>
public static class PillowResize
{
    /// <summary>Resizes a whole image.</summary>
    /// <param name="image">[h, w, 3].</param>
    /// <param name="width">Pixels a row of the result, 1 … <see cref="RgbImage.MaxEdge"/>.</param>
    /// <param name="height">Rows of the result, 1 … <see cref="RgbImage.MaxEdge"/>.</param>
    /// <returns>[<paramref name="height"/>, <paramref name="width"/>, 3], in memory of its own.</returns>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or the result is larger than an array.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An edge is out of range.</exception>
    public static RgbImage Resize(RgbImage image, int width, int height) => Resize(image, width, height, new ResizeBox(0, 0, image.Width, image.Height));

    /// <summary>
    /// Resizes a part of an image. Pixels just outside <paramref name="box"/> take part in the filter, as with Pillow's <c>box</c>; to shut them out crop
    /// first.
    /// </summary>
    /// <param name="image">[h, w, 3].</param>
    /// <param name="width">Pixels a row of the result, 1 … <see cref="RgbImage.MaxEdge"/>.</param>
    /// <param name="height">Rows of the result, 1 … <see cref="RgbImage.MaxEdge"/>.</param>
    /// <param name="box">The part, inside the image.</param>
    /// <returns>[<paramref name="height"/>, <paramref name="width"/>, 3], in memory of its own.</returns>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or the result is larger than an array.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An edge is out of range, or <paramref name="box"/> is not inside the image.</exception>
    public static RgbImage Resize(RgbImage image, int width, int height, ResizeBox box)
    {
        image.ThrowIfEmpty(nameof(image));
        CheckEdge(width, nameof(width));
        CheckEdge(height, nameof(height));
        CheckBox(box, image);
        var bytes = 3L * width * height;
        if (bytes > Array.MaxLength)
            throw new ArgumentException($"{width}×{height} pixels are {bytes} bytes, more than an array holds ({Array.MaxLength}); ask for a smaller image.");
        var result = GC.AllocateUninitializedArray<byte>((int)bytes);
        Resize(
            image,
            new PixelBox(0, 0, image.Width, image.Height),
            new ResizeAxis(image.Width, box.Left, box.Right, width, 0, width),
            new ResizeAxis(image.Height, box.Top, box.Bottom, height, 0, height),
            result);
        return new RgbImage(result, width, height);
    }

    /// <summary>The window of the resized region; pixels outside <paramref name="region"/> take no part, as if it had been cropped out before.</summary>
    /// <param name="image">[h, w, 3].</param>
    /// <param name="region">The part of the image that is the source of both axes.</param>
    /// <param name="horizontal">Columns; its source length is the width of the region.</param>
    /// <param name="vertical">Rows; its source length is the height of the region.</param>
    /// <param name="destination">[vertical.WindowLength, horizontal.WindowLength, 3].</param>
    internal static unsafe void Resize(RgbImage image, PixelBox region, ResizeAxis horizontal, ResizeAxis vertical, Span<byte> destination)
    {
        var pixels = image.Pixels.Span;
        var rowBytes = 3 * horizontal.WindowLength;
        fixed (byte* start = &MemoryMarshal.GetReference(pixels), output = &MemoryMarshal.GetReference(destination))
        {
            var source = new ResizeSource(start + 3 * ((nint)region.Top * image.Width + region.Left), 3 * (nint)image.Width, start + pixels.Length);
            if (vertical.IsIdentity)
            {
                ResizeColumns(source.Skip((int)vertical.WindowStart), horizontal, vertical.WindowLength, output);
                return;
            }

            using var weights = new ResizeWeights(vertical);
            if (horizontal.IsIdentity)
            {
                ResizePasses.Vertical(source.Pixels + 3 * horizontal.WindowStart, source.Stride, 0, rowBytes, weights, output);
                return;
            }

            var rows = weights.End - weights.First;
            var bytes = (long)rows * rowBytes;
            if (bytes > Array.MaxLength)
                throw new ArgumentException($"Resizing {rows} rows needs {bytes} bytes between its two passes, more than an array holds; reduce the image first.", nameof(image));
            var between = ArrayPool<byte>.Shared.Rent((int)bytes);
            fixed (byte* middle = between)
            {
                ResizeColumns(source.Skip(weights.First), horizontal, rows, middle);
                ResizePasses.Vertical(middle, rowBytes, weights.First, rowBytes, weights, output);
            }

            ArrayPool<byte>.Shared.Return(between);
        }
    }

    private static unsafe void ResizeColumns(ResizeSource source, ResizeAxis axis, int rows, byte* output)
    {
        var rowBytes = 3 * axis.WindowLength;
        if (axis.IsIdentity)
        {
            for (var y = 0; y < rows; y++)
                new ReadOnlySpan<byte>(source.Pixels + y * source.Stride + 3 * axis.WindowStart, rowBytes).CopyTo(new Span<byte>(output + (nint)y * rowBytes, rowBytes));
            return;
        }

        using var weights = new ResizeWeights(axis);
        ResizePasses.Horizontal(source, rows, weights, output, rowBytes);
    }

    private static void CheckEdge(int edge, string parameter)
    {
        if (edge is < 1 or > RgbImage.MaxEdge)
            throw new ArgumentOutOfRangeException(parameter, edge, $"Cannot resize to a {parameter} of {edge} pixels; it must be in 1 … {RgbImage.MaxEdge}.");
    }

    private static void CheckBox(ResizeBox box, RgbImage image)
    {
        // Written so that NaN fails.
        var inside = box.Left >= 0 && box.Top >= 0 && box.Right <= image.Width && box.Bottom <= image.Height && box.Right > box.Left && box.Bottom > box.Top;
        if (!inside)
            throw new ArgumentOutOfRangeException(nameof(box), box, $"The box {box} is empty or not inside the image of {image.Width}×{image.Height} pixels.");
    }
}

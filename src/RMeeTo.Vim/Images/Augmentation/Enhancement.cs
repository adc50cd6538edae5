using System.Buffers;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>
/// Blends an image with a degenerate one, d: d + factor · (image − d), in single precision, clamped and cut to a byte; a factor beyond 1 leads away from d.
/// In place on [H, W, 3].
/// </summary>
/// <remarks>As Pillow's ImageEnhance and libImaging/Blend.c.</remarks>
internal static class Enhancement
{
    private const int Levels = 256;

    /// <summary>The degenerate image is the grey one.</summary>
    public static void Color(Span<byte> rgb, float factor)
    {
        for (var i = 0; i <= rgb.Length - 3; i += 3)
        {
            var pixel = rgb.Slice(i, 3);
            var grey = Grey(pixel[0], pixel[1], pixel[2]);
            pixel[0] = Blend(grey, pixel[0], factor);
            pixel[1] = Blend(grey, pixel[1], factor);
            pixel[2] = Blend(grey, pixel[2], factor);
        }
    }

    /// <summary>The degenerate image has the mean of the grey one everywhere.</summary>
    public static void Contrast(Span<byte> rgb, float factor)
    {
        long sum = 0;
        for (var i = 0; i <= rgb.Length - 3; i += 3) sum += Grey(rgb[i], rgb[i + 1], rgb[i + 2]);
        BlendWith((int)((double)sum / (rgb.Length / 3) + 0.5), rgb, factor);
    }

    /// <summary>The degenerate image is black.</summary>
    public static void Brightness(Span<byte> rgb, float factor) => BlendWith(0, rgb, factor);

    /// <summary>
    /// The degenerate image is smoothed with the weights 1 1 1, 1 5 1, 1 1 1 over 13, but for its outermost pixels. Pillow computes the weighted sum in single
    /// precision; it is never nearer to a border between bytes than 1/26, so whole numbers give the same.
    /// </summary>
    public static void Sharpness(Span<byte> rgb, int width, int height, float factor)
    {
        if (width < 3 || height < 3) return;
        var rowBytes = 3 * width;
        var rented = ArrayPool<byte>.Shared.Rent(3 * rowBytes);
        // The rows above, at and below the one being written, as they were; used in turn.
        Span<byte> above = rented.AsSpan(0, rowBytes), row = rented.AsSpan(rowBytes, rowBytes), below = rented.AsSpan(2 * rowBytes, rowBytes);
        rgb[..rowBytes].CopyTo(above);
        rgb.Slice(rowBytes, rowBytes).CopyTo(row);
        for (var y = 1; y < height - 1; y++)
        {
            rgb.Slice((y + 1) * rowBytes, rowBytes).CopyTo(below);
            SharpenRow(above, row, below, rgb.Slice(y * rowBytes, rowBytes), factor);
            var free = above;
            above = row;
            row = below;
            below = free;
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    private static void SharpenRow(ReadOnlySpan<byte> above, ReadOnlySpan<byte> row, ReadOnlySpan<byte> below, Span<byte> output, float factor)
    {
        above = above[..output.Length];
        row = row[..output.Length];
        below = below[..output.Length];
        for (var i = 3; i < output.Length - 3; i++)
        {
            var sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] + below[i - 3] + below[i] + below[i + 3];
            output[i] = Blend((2 * sum + 13) / 26, row[i], factor);
        }
    }

    private static void BlendWith(int degenerate, Span<byte> rgb, float factor)
    {
        Span<byte> table = stackalloc byte[Levels];
        for (var i = 0; i < Levels; i++) table[i] = Blend(degenerate, i, factor);
        foreach (ref var value in rgb) value = table[value];
    }

    private static byte Blend(int degenerate, int value, float factor) => (byte)Math.Clamp((int)(degenerate + factor * (value - degenerate)), 0, 255);

    /// <summary>ITU-R 601 luma in 16-bit fixed point, rounded: libImaging/Convert.c, rgb2l.</summary>
    private static int Grey(int red, int green, int blue) => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

using Microsoft.ML.Data;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>From the pixels of an <see cref="MLImage"/> to <see cref="RgbImage"/>.</summary>
internal static class PixelConversion
{
    /// <summary>
    /// Drops alpha. <see cref="MLImage"/> holds colours multiplied by alpha; they are divided by it, so that they are those of the file. Fully transparent
    /// pixels are black.
    /// </summary>
    /// <param name="pixels">[height, width, 4].</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="format">Order of the colours.</param>
    public static RgbImage ToRgb(ReadOnlySpan<byte> pixels, int width, int height, MLPixelFormat format)
    {
        if (!IsOpaque(pixels)) return Divided(pixels, width, height, format == MLPixelFormat.Bgra32);
        return format == MLPixelFormat.Bgra32 ? RgbImage.FromBgra(pixels, width, height) : RgbImage.FromRgba(pixels, width, height);
    }

    private static bool IsOpaque(ReadOnlySpan<byte> pixels)
    {
        for (int i = 3; i < pixels.Length; i += 4)
            if (pixels[i] != 255) return false;
        return true;
    }

    private static RgbImage Divided(ReadOnlySpan<byte> pixels, int width, int height, bool blueFirst)
    {
        var rgb = new byte[checked(3 * width * height)];
        var (red, blue) = blueFirst ? (2, 0) : (0, 2);
        for (int from = 0, to = 0; to < rgb.Length; from += 4, to += 3)
        {
            int alpha = pixels[from + 3];
            rgb[to] = Straight(pixels[from + red], alpha);
            rgb[to + 1] = Straight(pixels[from + 1], alpha);
            rgb[to + 2] = Straight(pixels[from + blue], alpha);
        }
        return new RgbImage(rgb, width, height);
    }

    private static byte Straight(int value, int alpha) => alpha == 0 ? (byte)0 : (byte)Math.Min(255, (value * 255 + alpha / 2) / alpha);
}

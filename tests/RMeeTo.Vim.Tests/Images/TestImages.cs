using System.Security.Cryptography;
using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

internal enum Pattern
{
    Noise,
    Edges,
    Ramp,

    /// <summary>Noise of little contrast; each colour has a range of its own.</summary>
    Faint,

    /// <summary>One colour.</summary>
    Flat,
}

internal sealed record ResizeCase(Pattern Pattern, int Width, int Height, int ResultWidth, int ResultHeight, ResizeBox Box, bool CropFirst, string Expected);

internal sealed record EvaluationCase(Pattern Pattern, int Width, int Height, int InputHeight, int InputWidth, string Expected);

/// <summary>Made-up images; the same as in pillow_expectations.py.</summary>
internal static class TestImages
{
    public static RgbImage Make(Pattern pattern, int width, int height)
    {
        var pixels = new byte[3 * width * height];
        var i = 0;
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                for (var c = 0; c < 3; c++)
                    pixels[i++] = Pixel(pattern, x, y, c);
            }
        }

        return new RgbImage(pixels, width, height);
    }

    /// <summary>The bytes in hex where they are few, else their hash: the form of the recorded expectations.</summary>
    public static string Form(ReadOnlySpan<byte> data) =>
        data.Length <= 96 ? Convert.ToHexStringLower(data) : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(data));

    private static byte Pixel(Pattern pattern, int x, int y, int c)
    {
        unchecked
        {
            switch (pattern)
            {
                case Pattern.Noise:
                    var v = ((uint)x * 73856093) ^ ((uint)y * 19349663) ^ ((uint)c * 83492791);
                    v *= 2654435761;
                    v ^= v >> 15;
                    return (byte)((v * 2246822519) >> 24);
                case Pattern.Faint:
                    return (byte)(70 + 20 * c + (Pixel(Pattern.Noise, x, y, c) >> (2 + c)));
                case Pattern.Flat:
                    return (byte)(60 + 70 * c);
                case Pattern.Edges:
                    return (byte)(((x / 3 + y / 2 + c) & 1) * 255);
                default:
                    return (byte)(x * 5 + y * 3 + c * 40);
            }
        }
    }
}

namespace RMeeTo.Vim.Images;

/// <summary>
/// An image as 8-bit red, green, blue, interleaved, row by row from the top: [Height, Width, 3]. A view on memory that somebody else may own; copying it does
/// not copy the pixels. The default value is no image, and everything that takes an image says so.
/// </summary>
public readonly struct RgbImage
{
    /// <summary>The longest edge that is accepted, in pixels.</summary>
    public const int MaxEdge = 1 << 20;

    /// <summary>An image over existing memory, which is not copied.</summary>
    /// <param name="pixels">Red, green, blue of every pixel: [<paramref name="height"/>, <paramref name="width"/>, 3].</param>
    /// <param name="width">Pixels a row, 1 … <see cref="MaxEdge"/>.</param>
    /// <param name="height">Rows, 1 … <see cref="MaxEdge"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">An edge is out of range.</exception>
    /// <exception cref="ArgumentException">The length of <paramref name="pixels"/> is not 3·width·height, or more than an array holds.</exception>
    public RgbImage(ReadOnlyMemory<byte> pixels, int width, int height)
    {
        CheckLength(pixels.Length, width, height, 3, "RGB", nameof(pixels));
        Pixels = pixels;
        Width = width;
        Height = height;
    }

    /// <summary>Pixels a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Red, green, blue of every pixel: [<see cref="Height"/>, <see cref="Width"/>, 3].</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>Whether this is the default value, which holds no image.</summary>
    public bool IsEmpty => Width == 0;

    /// <summary>Copies 32-bit pixels in the order blue, green, red, alpha.</summary>
    /// <remarks>
    /// Alpha is dropped and the colours are taken as they are stored, as Pillow's <c>convert("RGB")</c> does: a transparent pixel keeps the colour under its
    /// transparency. Colours that were multiplied by alpha have to be divided by it before.
    /// </remarks>
    /// <param name="pixels">[<paramref name="height"/>, <paramref name="width"/>, 4].</param>
    /// <param name="width">Pixels a row, 1 … <see cref="MaxEdge"/>.</param>
    /// <param name="height">Rows, 1 … <see cref="MaxEdge"/>.</param>
    /// <inheritdoc cref="RgbImage(ReadOnlyMemory{byte}, int, int)" path="/exception"/>
    public static RgbImage FromBgra(ReadOnlySpan<byte> pixels, int width, int height)
    {
        var rgb = Allocate(pixels.Length, width, height, 4, "BGRA", nameof(pixels));
        for (int from = 0, to = 0; to < rgb.Length; from += 4, to += 3)
        {
            rgb[to] = pixels[from + 2];
            rgb[to + 1] = pixels[from + 1];
            rgb[to + 2] = pixels[from];
        }

        return new RgbImage(rgb, width, height);
    }

    /// <summary>Copies 32-bit pixels in the order red, green, blue, alpha; alpha is dropped as in <see cref="FromBgra"/>.</summary>
    /// <inheritdoc cref="FromBgra" path="/param"/>
    /// <inheritdoc cref="RgbImage(ReadOnlyMemory{byte}, int, int)" path="/exception"/>
    public static RgbImage FromRgba(ReadOnlySpan<byte> pixels, int width, int height)
    {
        var rgb = Allocate(pixels.Length, width, height, 4, "RGBA", nameof(pixels));
        for (int from = 0, to = 0; to < rgb.Length; from += 4, to += 3)
        {
            rgb[to] = pixels[from];
            rgb[to + 1] = pixels[from + 1];
            rgb[to + 2] = pixels[from + 2];
        }

        return new RgbImage(rgb, width, height);
    }

    /// <summary>Copies 8-bit grey pixels; red, green and blue become the grey value.</summary>
    /// <param name="pixels">[<paramref name="height"/>, <paramref name="width"/>].</param>
    /// <param name="width">Pixels a row, 1 … <see cref="MaxEdge"/>.</param>
    /// <param name="height">Rows, 1 … <see cref="MaxEdge"/>.</param>
    /// <inheritdoc cref="RgbImage(ReadOnlyMemory{byte}, int, int)" path="/exception"/>
    public static RgbImage FromGrey(ReadOnlySpan<byte> pixels, int width, int height)
    {
        var rgb = Allocate(pixels.Length, width, height, 1, "grey", nameof(pixels));
        for (int from = 0, to = 0; to < rgb.Length; from++, to += 3)
            rgb[to] = rgb[to + 1] = rgb[to + 2] = pixels[from];
        return new RgbImage(rgb, width, height);
    }

    internal void ThrowIfEmpty(string parameter)
    {
        if (IsEmpty)
            throw new ArgumentException("The image is the default RgbImage, which holds no pixels; make one with its constructor or a From… method.", parameter);
    }

    private static byte[] Allocate(int length, int width, int height, int channels, string form, string parameter)
    {
        CheckLength(length, width, height, channels, form, parameter);
        var bytes = 3L * width * height;
        if (bytes > Array.MaxLength)
            throw new ArgumentException($"An image of {width}×{height} pixels takes {bytes} bytes, more than an array holds ({Array.MaxLength}); reduce it first.", parameter);
        return GC.AllocateUninitializedArray<byte>((int)bytes);
    }

    private static void CheckLength(int length, int width, int height, int channels, string form, string parameter)
    {
        CheckEdge(width, nameof(width));
        CheckEdge(height, nameof(height));
        var expected = (long)channels * width * height;
        if (length != expected)
            throw new ArgumentException($"{width}×{height} {form} pixels are {expected} bytes, but {length} bytes were passed.", parameter);
    }

    private static void CheckEdge(int edge, string parameter)
    {
        if (edge is < 1 or > MaxEdge)
            throw new ArgumentOutOfRangeException(parameter, edge, $"An image {parameter} of {edge} pixels is outside 1 … {MaxEdge}.");
    }
}

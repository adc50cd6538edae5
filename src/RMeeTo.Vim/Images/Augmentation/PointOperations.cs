namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>Operations that replace every byte by an entry of a table, which may depend on the histogram of its colour. In place on [H, W, 3].</summary>
/// <remarks>As Pillow's ImageOps, and timm's solarize_add; the same order of floating-point operations, hence the same bytes.</remarks>
internal static class PointOperations
{
    private const int Levels = 256;

    /// <summary>Fills the table of one colour.</summary>
    /// <param name="histogram">[256], how often every value occurs.</param>
    /// <param name="pixels">Sum of the histogram.</param>
    /// <param name="table">[256]</param>
    /// <returns>False where the colour is to stay as it is.</returns>
    private delegate bool TableOf(ReadOnlySpan<int> histogram, int pixels, Span<byte> table);

    /// <summary>Stretches every colour so that its least byte becomes 0 and its greatest 255.</summary>
    public static void AutoContrast(Span<byte> rgb) => ByHistogram(rgb, static (histogram, _, table) =>
    {
        int low = histogram.IndexOfAnyExcept(0), high = histogram.LastIndexOfAnyExcept(0);
        if (high <= low) return false;
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (var i = 0; i < Levels; i++) table[i] = (byte)Math.Clamp((int)(i * scale + offset), 0, 255);
        return true;
    });

    /// <summary>Makes the histogram of every colour level.</summary>
    public static void Equalize(Span<byte> rgb) => ByHistogram(rgb, static (histogram, pixels, table) =>
    {
        var step = (pixels - histogram[histogram.LastIndexOfAnyExcept(0)]) / 255;
        if (step == 0) return false;
        var sum = step / 2;
        for (var i = 0; i < Levels; i++)
        {
            table[i] = (byte)Math.Min(sum / step, 255);
            sum += histogram[i];
        }
        return true;
    });

    /// <summary>255 less the byte.</summary>
    public static void Invert(Span<byte> rgb)
    {
        foreach (ref var value in rgb) value = (byte)~value;
    }

    /// <summary>Keeps the upper <paramref name="bits"/> bits.</summary>
    public static void Posterize(Span<byte> rgb, int bits)
    {
        var mask = (byte)(0xFF00 >> bits);
        foreach (ref var value in rgb) value &= mask;
    }

    /// <summary>Inverts bytes of at least <paramref name="threshold"/>.</summary>
    public static void Solarize(Span<byte> rgb, int threshold)
    {
        foreach (ref var value in rgb) value = value < threshold ? value : (byte)~value;
    }

    /// <summary>Adds <paramref name="addition"/> to bytes below 128, at most to 255.</summary>
    public static void SolarizeAdd(Span<byte> rgb, int addition)
    {
        foreach (ref var value in rgb) value = value < 128 ? (byte)Math.Min(value + addition, 255) : value;
    }

    /// <summary>Replaces every byte by an entry of its colour's table.</summary>
    /// <param name="rgb">[n, 3].</param>
    /// <param name="tables">[3, 256].</param>
    public static void Apply(Span<byte> rgb, ReadOnlySpan<byte> tables)
    {
        ReadOnlySpan<byte> red = tables[..Levels], green = tables.Slice(Levels, Levels), blue = tables.Slice(2 * Levels, Levels);
        for (var i = 0; i <= rgb.Length - 3; i += 3)
        {
            rgb[i] = red[rgb[i]];
            rgb[i + 1] = green[rgb[i + 1]];
            rgb[i + 2] = blue[rgb[i + 2]];
        }
    }

    private static void ByHistogram(Span<byte> rgb, TableOf tableOf)
    {
        Span<int> histograms = stackalloc int[3 * Levels];
        Count(rgb, histograms);
        Span<byte> tables = stackalloc byte[3 * Levels];
        for (var channel = 0; channel < 3; channel++)
        {
            var table = tables.Slice(channel * Levels, Levels);
            if (!tableOf(histograms.Slice(channel * Levels, Levels), rgb.Length / 3, table)) Identity(table);
        }
        Apply(rgb, tables);
    }

    /// <summary>How often every value occurs in every colour: [3, 256], which must be 0 before.</summary>
    private static void Count(ReadOnlySpan<byte> rgb, Span<int> histograms)
    {
        Span<int> red = histograms[..Levels], green = histograms.Slice(Levels, Levels), blue = histograms.Slice(2 * Levels, Levels);
        for (var i = 0; i <= rgb.Length - 3; i += 3)
        {
            red[rgb[i]]++;
            green[rgb[i + 1]]++;
            blue[rgb[i + 2]]++;
        }
    }

    private static void Identity(Span<byte> table)
    {
        for (var i = 0; i < table.Length; i++) table[i] = (byte)i;
    }
}

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Resizes position tables to other image sizes and other numbers of frames.</summary>
internal static class PositionTable
{
    /// <summary>
    /// Interpolates the patch rows as a picture of C channels and keeps the rows of the class tokens. Equal to PyTorch's
    /// <c>interpolate(mode="bicubic", align_corners=False)</c>: cubic convolution with a = −0.75, edges repeated, no antialiasing; computed in double.
    /// </summary>
    /// <param name="source">[rows, C] of the old grid.</param>
    /// <param name="from">The old network.</param>
    /// <param name="destination">[rows, C] of the new grid.</param>
    /// <param name="to">The new network.</param>
    public static void Resize(ReadOnlySpan<float> source, VimConfig from, Span<float> destination, VimConfig to)
    {
        int c = to.Width;
        if (to.ClassTokens > 0) source.Slice(from.ClassRow * c, c).CopyTo(destination[(to.ClassRow * c)..]);
        if (to.ClassTokens > 1) source.Slice((from.PositionRows - 1) * c, c).CopyTo(destination[((to.PositionRows - 1) * c)..]);
        var sum = new double[c];
        var columns = Enumerable.Range(0, to.GridWidth).Select(x => Taps(x, from.GridWidth, to.GridWidth)).ToArray();
        for (int y = 0; y < to.GridHeight; y++)
        {
            var (top, wy) = Taps(y, from.GridHeight, to.GridHeight);
            for (int x = 0; x < to.GridWidth; x++)
            {
                var (left, wx) = columns[x];
                Array.Clear(sum);
                for (int i = 0; i < 16; i++)
                {
                    double weight = wy[i / 4] * wx[i % 4];
                    int row = Row(from, Math.Clamp(top + i / 4, 0, from.GridHeight - 1), Math.Clamp(left + i % 4, 0, from.GridWidth - 1));
                    for (int k = 0; k < c; k++) sum[k] += weight * source[row * c + k];
                }
                var target = destination.Slice(Row(to, y, x) * c, c);
                for (int k = 0; k < c; k++) target[k] = (float)sum[k];
            }
        }
    }

    /// <summary>
    /// Interpolates the table of places in time, as PyTorch's <c>interpolate(mode="linear", align_corners=False)</c> does: between the two nearest rows, ends
    /// repeated.
    /// </summary>
    /// <param name="source">[T', C] of the old clips.</param>
    /// <param name="from">T' of the old clips.</param>
    /// <param name="destination">[T', C] of the new clips.</param>
    /// <param name="to">T' of the new clips.</param>
    public static void ResizeTime(ReadOnlySpan<float> source, int from, Span<float> destination, int to)
    {
        int c = destination.Length / to;
        for (int t = 0; t < to; t++)
        {
            double place = Math.Max(0, (double)from / to * (t + 0.5) - 0.5);
            int below = Math.Min((int)place, from - 1), above = Math.Min(below + 1, from - 1);
            double share = place - below;
            for (int k = 0; k < c; k++) destination[t * c + k] = (float)((1 - share) * source[below * c + k] + share * source[above * c + k]);
        }
    }

    /// <summary>Row of the table that belongs to a patch: its number, one more from the class row on.</summary>
    private static int Row(VimConfig config, int y, int x)
    {
        int patch = y * config.GridWidth + x;
        return config.ClassTokens == 0 || patch < config.ClassRow ? patch : patch + 1;
    }

    /// <summary>The first of the four neighbours of an output place, and their weights.</summary>
    private static (int First, double[] Weights) Taps(int output, int inputs, int outputs)
    {
        double place = (double)inputs / outputs * (output + 0.5) - 0.5;
        int floor = (int)Math.Floor(place);
        double t = place - floor;
        return (floor - 1, [Far(t + 1), Near(t), Near(1 - t), Far(2 - t)]);

        static double Near(double d) => (1.25 * d - 2.25) * d * d + 1;
        static double Far(double d) => ((-0.75 * d + 3.75) * d - 6) * d + 3;
    }
}

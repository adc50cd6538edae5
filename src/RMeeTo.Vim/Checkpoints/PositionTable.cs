namespace RMeeTo.Vim.Checkpoints;

/// <summary>Resizes position tables to other image sizes.</summary>
internal static class PositionTable
{
    /// <summary>
    /// Interpolates the patch rows as a picture of C channels and keeps the class row. Equal to PyTorch's
    /// <c>interpolate(mode="bicubic", align_corners=False)</c>: cubic convolution with a = −0.75, edges repeated, no antialiasing; computed in double.
    /// </summary>
    /// <param name="source">[L, C] of the old grid.</param>
    /// <param name="from">The old network.</param>
    /// <param name="destination">[L, C] of the new grid.</param>
    /// <param name="to">The new network.</param>
    public static void Resize(ReadOnlySpan<float> source, VimConfig from, Span<float> destination, VimConfig to)
    {
        int c = to.Width;
        source.Slice(from.ClassRow * c, c).CopyTo(destination[(to.ClassRow * c)..]);
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

    /// <summary>Row of the table that belongs to a patch: its number, one more from the class row on.</summary>
    private static int Row(VimConfig config, int y, int x)
    {
        int patch = y * config.GridWidth + x;
        return patch < config.ClassRow ? patch : patch + 1;
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

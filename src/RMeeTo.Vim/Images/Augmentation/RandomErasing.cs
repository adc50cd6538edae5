namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>
/// Random erasing: with some probability, a rectangle of the normalised image becomes noise, a standard normal number for every number. The values that are
/// not set are those of the paper's recipe.
/// </summary>
/// <remarks>
/// Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, in timm 0.4.12's mode "pixel" (spec 3.1, item 5): area uniform, logarithm of the aspect
/// uniform, ten tries to find a rectangle that is smaller than the image in both directions, else nothing. In a clip the rectangle is the same in all frames
/// and the noise is new in each, as in VideoMamba.
/// </remarks>
public sealed record RandomErasing
{
    private const int Tries = 10;

    /// <summary>Probability that an image is erased in part, 0 to 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double Probability
    {
        get;
        init => field = value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Probability), value, $"RandomErasing.Probability is {value}; it must be in 0 … 1.");
    } = 0.25;

    /// <summary>Range of the rectangle's area, as a part of the image's: 0 &lt; Min ≤ Max ≤ 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public (double Min, double Max) Area
    {
        get;
        init => field = value.Min > 0 && value.Min <= value.Max && value.Max <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Area), value, $"RandomErasing.Area is {value.Min} … {value.Max}; it needs 0 < Min ≤ Max ≤ 1.");
    } = (0.02, 1.0 / 3);

    /// <summary>The highest rectangle is this many times as high as wide, the lowest 1 over it; 1 … 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double MaxAspect
    {
        get;
        init => field = value is >= 1 and <= 100
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MaxAspect), value, $"RandomErasing.MaxAspect is {value}; it must be in 1 … 100.");
    } = 1 / 0.3;

    /// <summary>Erases in place.</summary>
    /// <param name="image">[3, <paramref name="frames"/>, <paramref name="height"/>, <paramref name="width"/>], normalised.</param>
    /// <param name="frames">T; 1 for an image.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="random">A stream of its own for every sample: <see cref="RandomPurpose.Erase"/>.</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> has another length.</exception>
    public void Apply(Span<float> image, int frames, int height, int width, CounterRandom random)
    {
        if (frames < 1 || height < 1 || width < 1 || image.Length != 3L * frames * height * width)
        {
            throw new ArgumentException(
                $"[3, {frames}, {height}, {width}] are {3L * frames * height * width} numbers, but {image.Length} were passed.", nameof(image));
        }

        if (Draw(ref random, height, width) is not { } box) return;
        for (var frame = 0; frame < frames; frame++)
        {
            for (var channel = 0; channel < 3; channel++)
            {
                var plane = image.Slice((channel * frames + frame) * height * width, height * width);
                for (var y = box.Top; y < box.Top + box.Height; y++) FillWithNoise(plane.Slice(y * width + box.Left, box.Width), ref random);
            }
        }
    }

    /// <summary>The rectangle, or null where nothing is erased.</summary>
    internal PixelBox? Draw(ref CounterRandom random, int height, int width)
    {
        if (random.NextDouble() >= Probability) return null;
        var limit = Math.Log(MaxAspect);
        for (var i = 0; i < Tries; i++)
        {
            var area = random.NextDouble(Area.Min, Area.Max) * height * width;
            var aspect = Math.Exp(random.NextDouble(-limit, limit));
            int boxHeight = (int)Math.Round(Math.Sqrt(area * aspect)), boxWidth = (int)Math.Round(Math.Sqrt(area / aspect));
            if (boxHeight >= height || boxWidth >= width) continue;
            var top = random.NextInt(height - boxHeight + 1);
            var left = random.NextInt(width - boxWidth + 1);
            // In an image of a few pixels a small area rounds to nothing.
            return boxHeight == 0 || boxWidth == 0 ? null : new PixelBox(left, top, boxWidth, boxHeight);
        }

        return null;
    }

    /// <summary>Standard normal numbers; Box and Muller, two at a time.</summary>
    private static void FillWithNoise(Span<float> row, ref CounterRandom random)
    {
        for (var i = 0; i < row.Length; i += 2)
        {
            var (first, second) = random.NextGaussianPair();
            row[i] = (float)first;
            if (i + 1 < row.Length) row[i + 1] = (float)second;
        }
    }
}

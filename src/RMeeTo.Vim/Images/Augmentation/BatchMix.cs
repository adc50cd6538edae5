using System.Numerics;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>How two images are mixed.</summary>
public enum MixKind
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Every number is λ times the own and 1 − λ times the partner's.</summary>
    Mixup,

    /// <summary>A rectangle is the partner's.</summary>
    CutMix,
}

/// <summary>
/// One decision how images are mixed, made for all images of a mix group: kind, λ and rectangle. Image j of a group of n is mixed with image n − 1 − j (see
/// <see cref="MixGroups"/>), its target likewise. The default value mixes nothing.
/// </summary>
/// <remarks>
/// As timm 0.4.12 in batch mode (spec 3.1, item 6): λ ~ Beta(α, α). The rectangle of CutMix reaches ⌊⌊edge · √(1 − λ)⌋ / 2⌋ pixels to both
/// sides of its centre, which is uniform over the image; it is clipped at the image's edges, and λ becomes the share of the image that is left.
/// </remarks>
public readonly record struct BatchMix
{
    private readonly double _lambda;

    private BatchMix(MixKind kind, double lambda, PixelBox box, int height, int width) =>
        (Kind, _lambda, Box, Height, Width) = (kind, lambda, box, height, width);

    /// <summary>Mixup, CutMix or nothing.</summary>
    public MixKind Kind { get; }

    /// <summary>λ: the share of the own image and the own target, 0 to 1; for CutMix that of the rectangle as it was clipped.</summary>
    public double Lambda => Kind == MixKind.None ? 1 : _lambda;

    /// <summary>The rectangle that CutMix takes from the partner; the default value otherwise.</summary>
    public PixelBox Box { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    private float OwnWeight => (float)Lambda;

    private float PartnerWeight => (float)(1 - Lambda);

    /// <summary>Decides for one mix group.</summary>
    /// <param name="random">
    /// A stream of its own for every group: <see cref="RandomPurpose.Mix"/>, the sample being the number of the group in the epoch.
    /// </param>
    /// <param name="options">Probabilities and distributions.</param>
    /// <param name="height">Rows of an image, at least 1.</param>
    /// <param name="width">Columns of an image, at least 1.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An edge is less than 1.</exception>
    public static BatchMix Draw(CounterRandom random, MixOptions options, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if (options.IsNone || random.NextDouble() >= options.Probability) return default;
        var both = options is { Mixup: > 0, CutMix: > 0 };
        var cut = both ? random.NextDouble() < options.SwitchProbability : options.CutMix > 0;
        var lambda = BetaDistribution.Next(ref random, cut ? options.CutMix : options.Mixup);
        if (cut) return Cut(ref random, lambda, height, width);
        return lambda == 1 ? default : new BatchMix(MixKind.Mixup, lambda, default, height, width);
    }

    /// <summary>Mixes one image.</summary>
    /// <param name="own">[3, H, W] or [3, T, H, W]; every plane is treated alike.</param>
    /// <param name="partner">The same shape; <paramref name="own"/> itself changes nothing.</param>
    /// <param name="output">The same shape; may be <paramref name="own"/>, and must not overlap <paramref name="partner"/>.</param>
    /// <exception cref="ArgumentException">Lengths differ or are no whole planes, or <paramref name="output"/> overlaps <paramref name="partner"/>.</exception>
    public void Apply(ReadOnlySpan<float> own, ReadOnlySpan<float> partner, Span<float> output)
    {
        CheckLengths(own.Length, partner.Length, output.Length);
        if (own == partner)
        {
            if (own != output) own.CopyTo(output);
            return;
        }

        if (output.Overlaps(partner))
            throw new ArgumentException("The output overlaps the partner; mix into other memory, or both images at once with ApplyToPair.", nameof(output));
        if (Kind == MixKind.Mixup)
        {
            Blend(own, partner, output);
            return;
        }

        if (own != output) own.CopyTo(output);
        if (Kind != MixKind.CutMix) return;
        for (var row = 0; row < Rows(own.Length); row++)
            partner.Slice(RowStart(row), Box.Width).CopyTo(output.Slice(RowStart(row), Box.Width));
    }

    /// <summary>Mixes two images that are each other's partner, in place.</summary>
    /// <param name="first">[3, H, W] or [3, T, H, W].</param>
    /// <param name="second">The same shape; may be <paramref name="first"/>, which then stays what it is.</param>
    /// <exception cref="ArgumentException">Lengths differ or are no whole planes, or the two overlap in part.</exception>
    public void ApplyToPair(Span<float> first, Span<float> second)
    {
        CheckLengths(first.Length, second.Length, second.Length);
        if (first == second || Kind == MixKind.None) return;
        if (first.Overlaps(second)) throw new ArgumentException("The two images overlap in memory; a pair is two images, or one and itself.", nameof(second));
        if (Kind == MixKind.Mixup)
        {
            BlendPair(first, second);
            return;
        }

        for (var row = 0; row < Rows(first.Length); row++)
            Swap(first.Slice(RowStart(row), Box.Width), second.Slice(RowStart(row), Box.Width));
    }

    /// <summary>
    /// The target of a mixed image: λ·y + (1 − λ)·y′, where y is 1 − ε + ε/K at the own label and ε/K elsewhere, and y′ the same for the partner's label.
    /// </summary>
    /// <param name="label">Own label, 0 … K − 1.</param>
    /// <param name="partnerLabel">Label of the partner, 0 … K − 1.</param>
    /// <param name="smoothing">ε, 0 … 1.</param>
    /// <param name="target">[K]; written. Its elements add up to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A label is no class, or <paramref name="smoothing"/> is out of range.</exception>
    public void FillTarget(int label, int partnerLabel, double smoothing, Span<float> target)
    {
        CheckLabel(label, target.Length, nameof(label));
        CheckLabel(partnerLabel, target.Length, nameof(partnerLabel));
        if (smoothing is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(smoothing), smoothing, $"The label smoothing is {smoothing}; it must be from 0 to 1.");
        double share = smoothing / target.Length;
        float off = (float)share, on = (float)(1 - smoothing + share);
        if (Kind == MixKind.None || label == partnerLabel)
        {
            target.Fill(off);
            target[label] = on;
            return;
        }

        target.Fill(off * OwnWeight + off * PartnerWeight);
        target[label] = on * OwnWeight + off * PartnerWeight;
        target[partnerLabel] = off * OwnWeight + on * PartnerWeight;
    }

    private static BatchMix Cut(ref CounterRandom random, double lambda, int height, int width)
    {
        var ratio = Math.Sqrt(1 - lambda);
        int halfHeight = (int)(height * ratio) / 2, halfWidth = (int)(width * ratio) / 2;
        int y = random.NextInt(height), x = random.NextInt(width);
        int top = Math.Max(y - halfHeight, 0), bottom = Math.Min(y + halfHeight, height);
        int left = Math.Max(x - halfWidth, 0), right = Math.Min(x + halfWidth, width);
        if (top == bottom || left == right) return default;
        var box = new PixelBox(left, top, right - left, bottom - top);
        return new BatchMix(MixKind.CutMix, 1 - (double)box.Width * box.Height / ((double)height * width), box, height, width);
    }

    /// <summary>Two products and their sum, each rounded to single precision, as torch computes it; no fused multiply-add.</summary>
    private void Blend(ReadOnlySpan<float> own, ReadOnlySpan<float> partner, Span<float> output)
    {
        var (ownWeights, partnerWeights) = (new Vector<float>(OwnWeight), new Vector<float>(PartnerWeight));
        var i = 0;
        for (; i <= own.Length - Vector<float>.Count; i += Vector<float>.Count)
            (new Vector<float>(own[i..]) * ownWeights + new Vector<float>(partner[i..]) * partnerWeights).CopyTo(output[i..]);
        for (; i < own.Length; i++) output[i] = own[i] * OwnWeight + partner[i] * PartnerWeight;
    }

    private void BlendPair(Span<float> first, Span<float> second)
    {
        var (ownWeights, partnerWeights) = (new Vector<float>(OwnWeight), new Vector<float>(PartnerWeight));
        var i = 0;
        for (; i <= first.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var (a, b) = (new Vector<float>(first[i..]), new Vector<float>(second[i..]));
            (a * ownWeights + b * partnerWeights).CopyTo(first[i..]);
            (b * ownWeights + a * partnerWeights).CopyTo(second[i..]);
        }

        for (; i < first.Length; i++)
            (first[i], second[i]) = (first[i] * OwnWeight + second[i] * PartnerWeight, second[i] * OwnWeight + first[i] * PartnerWeight);
    }

    private static void Swap(Span<float> a, Span<float> b)
    {
        for (var i = 0; i < a.Length; i++) (a[i], b[i]) = (b[i], a[i]);
    }

    /// <summary>Rows of the rectangle in all planes.</summary>
    private int Rows(int length) => length / (Height * Width) * Box.Height;

    /// <summary>Where a row of the rectangle begins, the rows of all planes being numbered one after another.</summary>
    private int RowStart(int row) => row / Box.Height * (Height * Width) + (Box.Top + row % Box.Height) * Width + Box.Left;

    private void CheckLengths(int own, int partner, int output)
    {
        if (own != partner || own != output)
            throw new ArgumentException($"The image has {own} numbers, its partner {partner} and the output {output}; all three must have the same shape.");
        if (Kind != MixKind.None && own % (Height * Width) != 0)
        {
            throw new ArgumentException($"The image has {own} numbers, which is no whole number of planes of {Height}×{Width}; draw the mix for the "
                + "size of the network's input.");
        }
    }

    private static void CheckLabel(int label, int classes, string parameter)
    {
        if ((uint)label >= (uint)classes)
            throw new ArgumentOutOfRangeException(parameter, label, $"Label {label} is no class; there are classes 0 to {classes - 1}.");
    }
}

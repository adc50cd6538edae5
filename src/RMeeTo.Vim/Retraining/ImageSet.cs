using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>Some of the images, or clips, of a store.</summary>
/// <param name="Store">Pixels and labels.</param>
/// <param name="Indices">Which of them, 0 to the store's count − 1, each with a label.</param>
public sealed record ImageSet(ImageStore Store, IReadOnlyList<int> Indices)
{
    /// <summary>All labelled images of a store.</summary>
    public ImageSet(ImageStore store) : this(store, [.. Enumerable.Range(0, store.Count).Where(i => store.Label(i) >= 0)]) { }

    /// <summary>Number of images.</summary>
    public int Count => Indices.Count;

    /// <summary>Label of the k-th image of the set.</summary>
    public int Label(int k) => Store.Label(Indices[k]);

    /// <summary>
    /// A part of the set with the same share of every class: fraction · n of n images of a class, rounded to the nearest number (halves to the even one), but
    /// at least one. Which ones is a function of the seed, the class and n.
    /// </summary>
    /// <param name="fraction">Above 0 and at most 1.</param>
    /// <param name="seed">Seed of the choice.</param>
    /// <returns>In the order of this set.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fraction"/> is out of range.</exception>
    public ImageSet StratifiedPart(double fraction, ulong seed)
    {
        CheckFraction(fraction);
        var chosen = new List<int>();
        foreach (var members in Enumerable.Range(0, Count).GroupBy(Label))
        {
            int[] order = [.. members];
            CounterRandom.For(seed, 0, members.Key, RandomPurpose.Subset).Shuffle(order.AsSpan());
            chosen.AddRange(order.AsSpan(0, Math.Max(1, (int)Math.Round(fraction * order.Length))));
        }
        chosen.Sort();
        return new ImageSet(Store, [.. chosen.Select(k => Indices[k])]);
    }

    /// <summary>
    /// The part that the published program trains with (its data set SUBIMNET, spec 3.1): Python's <c>random.sample</c> of ⌊fraction · N⌋ images, classes not
    /// looked at. The set has to be in the order of torchvision's ImageFolder, classes by name and images by name, for the same images to be chosen.
    /// </summary>
    /// <remarks>
    /// The published program cuts the validation images in the same way (quirk 17 of spec 8); validate with all of them instead.
    /// </remarks>
    /// <param name="fraction">Above 0 and at most 1.</param>
    /// <param name="seed">What Python's generator is seeded with.</param>
    /// <returns>In the order in which they are drawn.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fraction"/> is out of range, or leaves no image.</exception>
    public ImageSet ReferencePart(double fraction, uint seed = 0)
    {
        CheckFraction(fraction);
        int count = (int)(Count * fraction);
        if (count == 0)
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, $"{fraction} of {Count} images is less than one; take a larger part.");
        return new ImageSet(Store, [.. new PythonRandom(seed).Sample(Count, count).Select(k => Indices[k])]);
    }

    private static void CheckFraction(double fraction)
    {
        if (fraction is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, $"The part is {fraction} of the set; it must be above 0 and at most 1.");
    }

    /// <summary>Checks that every label is a class.</summary>
    internal void CheckLabels(int classes, string name)
    {
        for (int k = 0; k < Count; k++)
            if (Label(k) < 0 || Label(k) >= classes)
                throw new ArgumentException($"Image '{Store.Name(Indices[k])}' of the {name} images has label {Label(k)}; the network has classes "
                    + $"0 to {classes - 1}. Leave the image out or replace the head.");
    }

    /// <summary>Checks that no video is taken for an image.</summary>
    internal void CheckFrames(int frames, string name)
    {
        if (frames > 0) return;
        for (int k = 0; k < Count; k++)
            if (Store.Frames(Indices[k]) > 1)
                throw new ArgumentException($"Sample '{Store.Name(Indices[k])}' of the {name} images is a clip of {Store.Frames(Indices[k])} frames and the "
                    + "network takes images; use a network for clips (VimConfig.Frames), or add single images.");
    }

    /// <summary>Writes the network input of the k-th image of the set, or of one view of a clip, as in evaluation.</summary>
    internal void Prepare(int k, int frames, EvaluationPreprocessing preprocessing, ImageReadBuffer buffer, Span<float> destination)
    {
        if (frames == 0) preprocessing.Apply(Store.Read(Indices[k], buffer), destination);
        else preprocessing.Apply(new StoredFrames(Store, Indices[k], buffer), frames, ClipViews.Single, 0, destination);
    }

    /// <summary>The same without normalising: [H, W, 3], or [T, H, W, 3].</summary>
    internal void Crop(int k, int frames, EvaluationPreprocessing preprocessing, ImageReadBuffer buffer, Span<byte> destination)
    {
        if (frames == 0) preprocessing.Crop(Store.Read(Indices[k], buffer), destination);
        else preprocessing.Crop(new StoredFrames(Store, Indices[k], buffer), frames, ClipViews.Single, 0, destination);
    }

    /// <summary>Writes the network input of the k-th image or clip of the set, as in training.</summary>
    internal void Prepare(
        int k, int frames, TrainingPreprocessing preprocessing, ImageReadBuffer buffer, Span<float> destination, ulong seed, int epoch, long sample)
    {
        int index = Indices[k];
        if (frames == 0) preprocessing.Apply(Store.Read(index, buffer), destination, seed, epoch, sample);
        else preprocessing.Apply(new StoredFrames(Store, index, buffer), frames, destination, seed, epoch, sample);
    }
}

using System.Text.Json.Serialization;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>How long an epoch is where every image is shown several times.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RepeatedEpoch>))]
public enum RepeatedEpoch
{
    /// <summary>
    /// As long as without repetition: of R · N shown copies the first ⌊N / 256⌋ · 256 are used (all N where there are fewer than 256 images), about one image
    /// in R, R times each. What DeiT and R-MeeTo do (spec 3.1, item 7).
    /// </summary>
    Images,

    /// <summary>R times as long: every image R times. What VideoMamba does (spec 3.2, num_sample).</summary>
    Copies,
}

/// <summary>What becomes of the samples that are left at the end of an epoch when all full batches are done.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LastBatch>))]
public enum LastBatch
{
    /// <summary>They are a smaller batch.</summary>
    Kept,

    /// <summary>
    /// They are left out, unless they are all there are; likewise full batches that are too few for a step of the optimizer, where that takes several.
    /// </summary>
    Dropped,
}

/// <summary>One image, shown once.</summary>
/// <param name="Image">Number of the image in the training set.</param>
/// <param name="Copy">How many times it was shown in this epoch before.</param>
public readonly record struct ShownImage(int Image, int Copy)
{
    /// <summary>Number of the sample for <see cref="CounterRandom"/>, so that every copy is augmented in its own way.</summary>
    /// <param name="index">Index of the image in its store, which, unlike its number in the set, does not depend on what else is trained with.</param>
    public long Sample(int index) => ((long)Copy << 32) | (uint)index;

    /// <summary>What all copies of an image have in common: the index of which <see cref="Sample"/> made the number.</summary>
    internal static long IndexOf(long sample) => sample & uint.MaxValue;
}

/// <summary>The samples and batches of every epoch of a run, but not their order (see <see cref="Order"/>).</summary>
public sealed record EpochPlan
{
    private const int Granularity = 256;

    /// <summary>A plan.</summary>
    /// <param name="images">N, images in the training set, at least 1.</param>
    /// <param name="batchSize">Samples a batch, at least 1.</param>
    /// <param name="repetitions">R, times that an image is shown in a row, 1 … 65,536; 1 is no repetition.</param>
    /// <param name="length">How long an epoch is where <paramref name="repetitions"/> is more than 1.</param>
    /// <param name="lastBatch">Whether an epoch ends with a smaller batch.</param>
    /// <param name="batchesPerStep">Batches that make a step of the optimizer, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="OverflowException">An epoch would have more than 2³¹ − 1 samples.</exception>
    public EpochPlan(
        int images, int batchSize, int repetitions = 1, RepeatedEpoch length = RepeatedEpoch.Images, LastBatch lastBatch = LastBatch.Kept,
        int batchesPerStep = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(images, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchesPerStep, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(repetitions, 1 << 16);
        (Images, BatchSize, Repetitions) = (images, batchSize, repetitions);
        var samples = repetitions == 1 ? images
            : length == RepeatedEpoch.Copies ? checked(images * repetitions)
            : images < Granularity ? images : images / Granularity * Granularity;
        var step = (long)batchSize * batchesPerStep;
        var unit = lastBatch == LastBatch.Kept || samples < batchSize ? 1 : samples < step ? batchSize : step;
        Samples = (int)(samples - samples % unit);
        Steps = (Samples - 1) / batchSize + 1;
    }

    /// <summary>N, images in the training set.</summary>
    public int Images { get; }

    /// <summary>Samples a batch.</summary>
    public int BatchSize { get; }

    /// <summary>R, times that an image is shown in a row.</summary>
    public int Repetitions { get; }

    /// <summary>Samples that an epoch shows.</summary>
    public int Samples { get; }

    /// <summary>Batches of an epoch, at least 1.</summary>
    public int Steps { get; }

    /// <summary>Where a batch is in the order of its epoch.</summary>
    /// <param name="step">0 … <see cref="Steps"/> − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such batch.</exception>
    public (int First, int Count) Batch(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, Steps);
        int first = step * BatchSize;
        return (first, Math.Min(BatchSize, Samples - first));
    }

    /// <summary>The order of one epoch.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="epoch"/> is negative.</exception>
    public EpochOrder Order(ulong seed, int epoch) => new(this, CounterRandom.Permutation(Images, seed, epoch));
}

/// <summary>
/// The samples of one epoch, in order: the images shuffled, every one R times in a row, so that its copies reach R different ones of the processes among which
/// samples are dealt out in turn. Immutable, and safe on many threads.
/// </summary>
public sealed class EpochOrder
{
    private readonly int[] _images;

    internal EpochOrder(EpochPlan plan, int[] images) => (Plan, _images) = (plan, images);

    /// <summary>Sizes.</summary>
    public EpochPlan Plan { get; }

    /// <summary>Number of samples.</summary>
    public int Count => Plan.Samples;

    /// <summary>One sample.</summary>
    /// <param name="position">0 … <see cref="Count"/> − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public ShownImage this[int position]
    {
        get
        {
            if ((uint)position >= (uint)Count)
                throw new ArgumentOutOfRangeException(nameof(position), position, $"Position {position} is not in the epoch, which has {Count} samples.");
            return new ShownImage(_images[position / Plan.Repetitions], position % Plan.Repetitions);
        }
    }
}

namespace RMeeTo.Vim.Retraining;

/// <summary>What becomes of the gradients of several micro-batches.</summary>
public enum AccumulationRule
{
    /// <summary>The optimizer takes one step with the mean over all their images: the same as one batch that holds them all.</summary>
    Mean,

    /// <summary>
    /// As the published code of R-MeeTo does it (spec 3.1, "accumulation quirk"; quirk 12 of spec 8): meant to accumulate two micro-batches with gradients g₀
    /// and g₁, it takes three AdamW steps. One after the first micro-batch with g₀/2, and two after the second, both with g₁/2 + g₀/(2S): the gradient is not
    /// cleared in between, but divided by the loss scale S a second time. S is the one of torch's <c>GradScaler</c>: 65,536 at first, twice as much after
    /// every 2000 micro-batches.
    /// </summary>
    /// <remarks>
    /// Two things differ where they cannot be seen: S stays at 2⁶⁰ once it is there (the original goes on until gradients overflow, and leaves steps out
    /// then), and an odd micro-batch at the end of an epoch leaves nothing to the next epoch (the original: g/(2S)).
    /// </remarks>
    Reference,
}

/// <summary>How many batches make a step of the optimizer, and how.</summary>
public sealed record GradientAccumulation
{
    private const int LargestExponent = 60;
    private const int FirstExponent = 16;
    private const int StepsToDouble = 2000;

    private GradientAccumulation(AccumulationRule rule, int microBatches) => (Rule, MicroBatches) = (rule, microBatches);

    /// <summary>A step of the optimizer after every batch.</summary>
    public static GradientAccumulation None { get; } = new(AccumulationRule.Mean, 1);

    /// <summary>Two micro-batches and three steps, <see cref="AccumulationRule.Reference"/>.</summary>
    public static GradientAccumulation Reference { get; } = new(AccumulationRule.Reference, 2);

    /// <summary>What becomes of the gradients.</summary>
    public AccumulationRule Rule { get; }

    /// <summary>Micro-batches of a group; each has <see cref="RetrainOptions.BatchSize"/> images.</summary>
    public int MicroBatches { get; }

    /// <summary>
    /// A step of the optimizer after so many batches, with the mean over all their images: a large batch where memory, or the mixing of images inside a
    /// batch, asks for small ones. At the end of an epoch a group may have fewer batches, unless <see cref="RetrainOptions.LastBatch"/> leaves it out.
    /// </summary>
    /// <param name="microBatches">1 to 65,536.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="microBatches"/> is out of range.</exception>
    public static GradientAccumulation Over(int microBatches) => microBatches is >= 1 and <= 65_536
        ? new(AccumulationRule.Mean, microBatches)
        : throw new ArgumentOutOfRangeException(nameof(microBatches), microBatches, $"microBatches is {microBatches}; it must be from 1 to 65536.");

    /// <summary>As text, for logs.</summary>
    public override string ToString() => Rule == AccumulationRule.Reference ? "reference" : $"{MicroBatches}";

    /// <summary>Groups of an epoch of so many micro-batches: what the learning rate's schedule counts.</summary>
    internal int Groups(int microBatchesOfEpoch) => (microBatchesOfEpoch + MicroBatches - 1) / MicroBatches;

    /// <summary>What is to be done with one micro-batch.</summary>
    /// <param name="step">Micro-batches that the run did before.</param>
    /// <param name="stepInEpoch">Micro-batches that the epoch did before.</param>
    /// <param name="batchSize">Images of a full micro-batch.</param>
    /// <param name="epochImages">Images of the epoch.</param>
    internal MicroBatch At(int step, int stepInEpoch, int batchSize, int epochImages)
    {
        int place = stepInEpoch % MicroBatches;
        long first = (long)stepInEpoch * batchSize, end = Math.Min(first + batchSize, epochImages);
        bool last = place == MicroBatches - 1 || end == epochImages;
        if (Rule == AccumulationRule.Mean)
        {
            long groupFirst = first - (long)place * batchSize, groupEnd = Math.Min(groupFirst + (long)MicroBatches * batchSize, epochImages);
            return new MicroBatch(place > 0, last, 1f / (groupEnd - groupFirst), last ? 1 : 0, 1, MovesAverage: last);
        }
        float half = 0.5f / (end - first);
        if (place == 0) return new MicroBatch(false, last, half, 1, 1, MovesAverage: false);
        // The first gradient, un-scaled, is still there; the second is added to it with the loss scale, and the sum is un-scaled.
        double scale = LossScale(step);
        return new MicroBatch(true, true, half * (float)scale, 2, 1 / scale, MovesAverage: true);
    }

    /// <summary>The loss scale of torch's <c>GradScaler</c> at its default settings, where no gradient ever overflows.</summary>
    internal static double LossScale(int step) => Math.ScaleB(1, Math.Min(FirstExponent + step / StepsToDouble, LargestExponent));
}

/// <summary>What is to be done with the gradient of one micro-batch.</summary>
/// <param name="Accumulates">It is added to the gradients that are there.</param>
/// <param name="EndsGroup">Nothing is added to it: the next begins anew, and a checkpoint needs no gradients.</param>
/// <param name="GradientScale">Factor of the gradient of an image's loss.</param>
/// <param name="Updates">Steps of the optimizer afterwards, all with the same gradient.</param>
/// <param name="UpdateScale">Factor of the summed gradient in these steps.</param>
/// <param name="MovesAverage">The moving average of the weights takes a step after them.</param>
internal readonly record struct MicroBatch(
    bool Accumulates, bool EndsGroup, float GradientScale, int Updates, double UpdateScale, bool MovesAverage);

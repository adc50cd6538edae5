using System.Text.Json.Serialization;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Retraining;

/// <summary>How a network is re-trained, or trained from scratch. Values are checked where they are set.</summary>
/// <remarks>Source: the recipe of R-MeeTo (spec 3.1), with defaults for small data sets of one's own.</remarks>
public sealed record RetrainOptions
{
    /// <summary>Times that all training images are shown; at least 0. 0 trains nothing.</summary>
    public int Epochs { get; init => field = InRange(value, 0, 100_000, nameof(Epochs)); } = 3;

    /// <summary>Images a step; at least 1.</summary>
    public int BatchSize { get; init => field = InRange(value, 1, 1 << 20, nameof(BatchSize)); } = 64;

    /// <summary>Learning rate after the warm-up, for the whole batch (it is not scaled by the batch size).</summary>
    public double LearningRate { get; init => field = InRange(value, 0, 10, nameof(LearningRate)); } = 2e-4;

    /// <summary>Learning rate that the cosine approaches at the end.</summary>
    public double MinimumLearningRate { get; init => field = InRange(value, 0, 10, nameof(MinimumLearningRate)); } = 1e-6;

    /// <summary>Epochs, or a part of one, in which the learning rate rises linearly.</summary>
    public double WarmupEpochs { get; init => field = InRange(value, 0, 100_000, nameof(WarmupEpochs)); }

    /// <summary>Decoupled weight decay, on every parameter.</summary>
    public double WeightDecay { get; init => field = InRange(value, 0, 10, nameof(WeightDecay)); } = 0.05;

    /// <summary>Decay of AdamW's first moment.</summary>
    public double Beta1 { get; init => field = InRange(value, 0, 0.999999, nameof(Beta1)); } = 0.9;

    /// <summary>Decay of AdamW's second moment.</summary>
    public double Beta2 { get; init => field = InRange(value, 0, 0.999999, nameof(Beta2)); } = 0.999;

    /// <summary>AdamW's ε.</summary>
    public double Epsilon { get; init => field = InRange(value, 1e-30, 1, nameof(Epsilon)); } = 1e-8;

    /// <summary>Share of the target probability that is spread over all classes.</summary>
    public double LabelSmoothing { get; init => field = InRange(value, 0, 0.999, nameof(LabelSmoothing)); } = 0.1;

    /// <summary>Weight of the cross-entropy against the labels; the paper uses 1.</summary>
    public double TargetLossWeight { get; init => field = InRange(value, 0, 1000, nameof(TargetLossWeight)); } = 1;

    /// <summary>Weight of the divergence from the un-merged network (distillation); the paper uses 0.5. 0 trains without a teacher.</summary>
    public double TeacherLossWeight { get; init => field = InRange(value, 0, 1000, nameof(TeacherLossWeight)); } = 0.5;

    /// <summary>Smallest share of an image's area that a random crop takes, 0 to 1; 1 takes the evaluation crop.</summary>
    public double MinimumCropArea { get; init => field = InRange(value, 0.01, 1, nameof(MinimumCropArea)); } = 0.08;

    /// <summary>Probability that an image is mirrored left to right.</summary>
    public double FlipProbability { get; init => field = InRange(value, 0, 1, nameof(FlipProbability)); } = 0.5;

    /// <summary>Every random number of the run is a function of this seed, the epoch, the image and the purpose.</summary>
    public ulong Seed { get; init; }

    /// <summary>Parts into which a batch is cut; each sums its gradients by itself, and the parts are added in order. It decides the last bits of the result, the number of threads does not.</summary>
    public int Lanes { get; init => field = InRange(value, 1, 256, nameof(Lanes)); } = 8;

    /// <summary>Threads; 0 means one a processor. It does not change the result.</summary>
    [JsonIgnore]
    public int Threads { get; init => field = InRange(value, 0, 4096, nameof(Threads)); }

    /// <summary>File that receives the complete state after every epoch, and from which the run resumes when the file is there. Null: no checkpoints.</summary>
    [JsonIgnore]
    public string? CheckpointPath { get; init; }

    /// <summary>Told after every step and every epoch, on the thread that trains.</summary>
    [JsonIgnore]
    public IProgress<RetrainProgress>? Progress { get; init; }

    /// <summary>Where to train; null means the CPU.</summary>
    [JsonIgnore]
    public IVimDeviceProvider? Device { get; init; }

    private static T InRange<T>(T value, T low, T high, string name) where T : IComparable<T> => value.CompareTo(low) >= 0 && value.CompareTo(high) <= 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"RetrainOptions.{name} is {value}; it must be from {low} to {high}.");
}

using System.Text.Json.Serialization;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// How a network is re-trained, or trained from scratch. A value out of range throws <see cref="ArgumentOutOfRangeException"/> where it is set.
/// </summary>
/// <remarks>Source: the recipe of R-MeeTo (spec 3.1), with defaults for small data sets of one's own.</remarks>
public sealed partial record RetrainOptions
{
    private const int DefaultLanes = 8;
    private const long LaneBudget = 1L << 30;

    /// <summary>Times that all training images are shown; 0 to 100,000. 0 trains nothing.</summary>
    public int Epochs { get; init => field = InRange(value, 0, 100_000, nameof(Epochs)); } = 3;

    /// <summary>Images a batch, 1 to 1,048,576; <see cref="LastBatch"/> says what becomes of those that are left at the end of an epoch.</summary>
    public int BatchSize { get; init => field = InRange(value, 1, 1 << 20, nameof(BatchSize)); } = 64;

    /// <summary>How many batches make a step of the optimizer; one unless set.</summary>
    public GradientAccumulation Accumulation
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Accumulation));
    } = GradientAccumulation.None;

    /// <summary>Learning rate after the warm-up, 0 to 10, for the whole batch (it is not scaled by the batch size).</summary>
    public double LearningRate { get; init => field = InRange(value, 0, 10, nameof(LearningRate)); } = 2e-4;

    /// <summary>Learning rate that the cosine approaches at the end, 0 to 10; at most <see cref="LearningRate"/>.</summary>
    public double MinimumLearningRate { get; init => field = InRange(value, 0, 10, nameof(MinimumLearningRate)); } = 1e-6;

    /// <summary>Epochs, or a part of one, in which the learning rate rises linearly; 0 to 100,000, rounded to whole steps.</summary>
    public double WarmupEpochs { get; init => field = InRange(value, 0, 100_000, nameof(WarmupEpochs)); }

    /// <summary>
    /// Learning rate at the beginning of the warm-up, 0 to 10; at most <see cref="LearningRate"/>. Null, the default: LearningRate over the steps, or epochs,
    /// of the warm-up, so that the rise goes on from 0.
    /// </summary>
    public double? WarmupLearningRate { get; init => field = value is { } rate ? InRange(rate, 0, 10, nameof(WarmupLearningRate)) : null; }

    /// <summary>How the learning rate falls: a cosine, anew at every step unless set.</summary>
    public LearningRateRule LearningRateRule { get; init => field = Defined(value, nameof(LearningRateRule)); }

    /// <summary>Decoupled weight decay, 0 to 10: a step takes LearningRate · WeightDecay of a parameter away.</summary>
    public double WeightDecay { get; init => field = InRange(value, 0, 10, nameof(WeightDecay)); } = 0.05;

    /// <summary>Which parameters the weight decay acts on; every one unless set, as in the paper.</summary>
    public WeightDecayRule WeightDecayRule { get; init => field = Defined(value, nameof(WeightDecayRule)); }

    /// <summary>Learning rates that fall from the last layer to the first; null, the default: all layers learn at the same rate.</summary>
    public LayerDecay? LayerDecay { get; init; }

    /// <summary>Decay of AdamW's first moment, 0 to below 1.</summary>
    public double Beta1 { get; init => field = InRange(value, 0, 0.999999, nameof(Beta1)); } = 0.9;

    /// <summary>Decay of AdamW's second moment, 0 to below 1.</summary>
    public double Beta2 { get; init => field = InRange(value, 0, 0.999999, nameof(Beta2)); } = 0.999;

    /// <summary>AdamW's ε, 1e-30 to 1.</summary>
    public double Epsilon { get; init => field = InRange(value, 1e-30, 1, nameof(Epsilon)); } = 1e-8;

    /// <summary>Moving average of the weights, to validate and return instead of them; null, the default: none.</summary>
    public ModelEma? Ema { get; init; }

    /// <summary>Share of the target probability that is spread over all classes, 0 to 0.999.</summary>
    public double LabelSmoothing { get; init => field = InRange(value, 0, 0.999, nameof(LabelSmoothing)); } = 0.1;

    /// <summary>Weight of the cross-entropy against the labels, 0 to 1000; the paper uses 1.</summary>
    public double TargetLossWeight { get; init => field = InRange(value, 0, 1000, nameof(TargetLossWeight)); } = 1;

    /// <summary>
    /// Weight of the divergence from the teacher, 0 to 1000; the paper uses 0.5. The teacher is the one given to <see cref="Retrainer.Run"/>, else the
    /// network itself before training and without merges. 0 trains without a teacher: right for training from scratch, where there is nothing to learn from
    /// yet.
    /// </summary>
    public double TeacherLossWeight { get; init => field = InRange(value, 0, 1000, nameof(TeacherLossWeight)); } = 0.5;

    /// <summary>
    /// Stochastic depth: the rate with which an image loses the network's last branch, 0 to 0.9, falling linearly to 0 towards the first. The paper uses 0.1
    /// for every size; 0, the default, loses nothing. Evaluation never loses any.
    /// </summary>
    public double DropPath { get; init => field = InRange(value, 0, Network.DropPath.MaximumRate, nameof(DropPath)); }

    /// <summary>Whether the teacher loses branches as well, at the rate of <see cref="DropPath"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is set to a value that is none of <see cref="Retraining.TeacherDropPath"/>.</exception>
    public TeacherDropPath TeacherDropPath { get; init => field = Defined(value, nameof(TeacherDropPath)); }

    /// <summary>Which classes a teacher must have that is given to <see cref="Retrainer.Run"/>; <see cref="TeacherClasses.Same"/> unless set.</summary>
    public TeacherClasses TeacherClasses { get; init => field = Defined(value, nameof(TeacherClasses)); }

    /// <summary>Smallest share of an image's area that a random crop takes, 0.01 to 1; 1 takes the evaluation crop.</summary>
    public double MinimumCropArea { get; init => field = InRange(value, 0.01, 1, nameof(MinimumCropArea)); } = 0.08;

    /// <summary>Probability that an image is mirrored left to right, 0 to 1.</summary>
    public double FlipProbability { get; init => field = InRange(value, 0, 1, nameof(FlipProbability)); } = 0.5;

    /// <summary>
    /// Operations on the bytes of an image; null, the default, for none. The paper uses <c>RandAugment.Parse("rand-m9-mstd0.5-inc1")</c>, and
    /// "rand-m5-n2-mstd0.25-inc1" for clips.
    /// </summary>
    public RandAugment? RandAugment { get; init; }

    /// <summary>
    /// Probability that noise takes the place of a rectangle of an image, 0 to 1; the paper uses 0.25. See <see cref="Images.Augmentation.RandomErasing"/>
    /// for its size.
    /// </summary>
    public double RandomErasing { get; init => field = InRange(value, 0, 1, nameof(RandomErasing)); }

    /// <summary>Mixup and CutMix; none unless set. The paper uses <c>new MixOptions()</c>.</summary>
    /// <exception cref="ArgumentNullException">It is set to null.</exception>
    public MixOptions Mix { get; init => field = value ?? throw new ArgumentNullException(nameof(Mix)); } = MixOptions.None;

    /// <summary>
    /// Images that are mixed under one decision, 0 to 1,048,576; a divisor of <see cref="BatchSize"/>, or 0, the default, for a whole batch. The paper
    /// decides for each of 4 processes: a quarter of a batch.
    /// </summary>
    public int MixGroupSize { get; init => field = InRange(value, 0, 1 << 20, nameof(MixGroupSize)); }

    /// <summary>Times that an image is shown in a row, each time augmented in another way, 1 to 100; the paper uses 3, and 2 for clips.</summary>
    public int RepeatedAugmentation { get; init => field = InRange(value, 1, 100, nameof(RepeatedAugmentation)); } = 1;

    /// <summary>How long an epoch is where images are shown several times; unless set, as long as without, as in the paper.</summary>
    public RepeatedEpoch RepeatedEpoch { get; init => field = Defined(value, nameof(RepeatedEpoch)); }

    /// <summary>
    /// Whether an epoch ends with a smaller batch, or a smaller group of accumulated ones; unless set, it does. The paper leaves both out, but for the single
    /// batch of <see cref="AccumulationRule.Reference"/>, which has its own step.
    /// </summary>
    public LastBatch LastBatch { get; init => field = Defined(value, nameof(LastBatch)); }

    /// <summary>Every random number of the run is a function of this seed, the epoch, the image and the purpose.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Parts into which a batch is cut; each sums its gradients by itself, and the parts are added in order. It decides the last bits of the result, the
    /// number of threads does not; but no more threads than lanes compute gradients at once. 0, the default, means 8, halved while the gradients of all lanes
    /// together take more than 1 GiB, but at least 2; and never more than <see cref="BatchSize"/>. On a GPU 0 means one for each process, and lanes are
    /// computed one after the other: more of them take less of its memory for activations, and more time.
    /// </summary>
    public int Lanes { get; init => field = InRange(value, 0, 256, nameof(Lanes)); }

    /// <summary>Threads, 0 to 4096; 0 means one a processor. It does not change the result.</summary>
    [JsonIgnore]
    public int Threads { get; init => field = InRange(value, 0, 4096, nameof(Threads)); }

    /// <summary>
    /// Steps whose images are in memory at once, 1 to 64: the one that is computed, and those that are prepared meanwhile. Each takes
    /// <see cref="BatchSize"/> network inputs. It does not change the result.
    /// </summary>
    [JsonIgnore]
    public int PreparedBatches { get; init => field = InRange(value, 1, 64, nameof(PreparedBatches)); } = 2;

    /// <summary>
    /// Threads that read and augment images beside those that compute, 0 to 4096; 0, the default, means a quarter of <see cref="Threads"/>, and all but one
    /// where a GPU computes. Threads that compute help where they are too few. It does not change the result.
    /// </summary>
    [JsonIgnore]
    public int LoaderThreads { get; init => field = InRange(value, 0, 4096, nameof(LoaderThreads)); }

    /// <summary>
    /// Time that the run may take, 1 ms to 1,000 days; null, the default: as long as its epochs take. <see cref="Epochs"/> is then the most that are done.
    /// From what steps, validations and checkpoints take, the run plans how many steps fit, and goes through its learning-rate schedule in larger strides, so
    /// that it still reaches its end. It plans anew as it goes; the rate never jumps back. It ends at a step's end, with a validation. Where the first
    /// validation leaves no time for a second, nothing is trained, and the network is returned as it was.
    /// </summary>
    /// <remarks>
    /// Time is counted from the beginning of the run, and goes on where a run is resumed; what a killed process did after its last checkpoint does not count.
    /// How many steps fit depends on the machine and on what else it does, so the result cannot be repeated bit for bit, other than that of a run without a
    /// budget; what one plan makes of one state can.
    /// </remarks>
    public TimeSpan? TimeBudget
    {
        get;
        init => field = value is { } time ? InRange(time, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1000), nameof(TimeBudget)) : null;
    }

    /// <summary>
    /// Epochs in a row that may pass without a better validation, 1 to 100,000, before the run ends: top-1 counts, and where that is the same the loss. Null,
    /// the default: any number. It needs validation images.
    /// </summary>
    public int? Patience { get; init => field = value is { } epochs ? InRange(epochs, 1, 100_000, nameof(Patience)) : null; }

    /// <summary>
    /// File that receives the complete state after every epoch, in between every <see cref="CheckpointInterval"/>, and where the run is cancelled; and from
    /// which the run resumes when the file is there. A run that was finished returns its result at once. It takes four times the weights (five times with
    /// <see cref="Ema"/>), and is written when the run begins as well, so that a folder that cannot be written shows at the start. Null: no checkpoints.
    /// </summary>
    /// <remarks>
    /// A resumed run ends with the same weights bit for bit on one kind of device and vector width; another may carry it on, with other last bits.
    /// </remarks>
    [JsonIgnore]
    public string? CheckpointPath { get; init; }

    /// <summary>
    /// Time between two checkpoints inside an epoch, 0 to 1,000 days; five minutes unless set, and 0 writes one after every step of the optimizer. It does not
    /// change the result.
    /// </summary>
    [JsonIgnore]
    public TimeSpan CheckpointInterval
    {
        get;
        init => field = InRange(value, TimeSpan.Zero, TimeSpan.FromDays(1000), nameof(CheckpointInterval));
    } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Told after every step and every epoch, on the thread that trains. An exception that it throws ends the run and reaches the caller of
    /// <see cref="Retrainer.Run"/>; an <see cref="OperationCanceledException"/> of a run that is cancelled ends it as the cancellation does.
    /// </summary>
    [JsonIgnore]
    public IProgress<RetrainProgress>? Progress { get; init; }

    /// <summary>
    /// File that receives lines of JSON, for plots and comparisons: one for the start with all settings, one a second at most for steps, one for every epoch,
    /// one for the end. A run that resumes writes on in it. Null: none.
    /// </summary>
    [JsonIgnore]
    public string? LogPath { get; init; }

    /// <summary>Where to train; null means the CPU.</summary>
    [JsonIgnore]
    public IVimDeviceProvider? Device { get; init; }

    /// <summary>
    /// The processes that train together, each with a part of the lanes, such as <see cref="MpiGroup.Start"/> gives; null, the default, means one. All give
    /// the same model, images and options; <see cref="CheckpointPath"/>, <see cref="LogPath"/> and <see cref="Progress"/> are those of process 0. It does not
    /// change the result; on a GPU that is so where <see cref="Lanes"/> is set, but for last digits of validation.
    /// </summary>
    [JsonIgnore]
    public IProcessGroup? Processes { get; init; }

    /// <summary>Stochastic depth of the teacher, drawn apart from the student's.</summary>
    internal DropPath DropPathOfTeacher =>
        TeacherDropPath == TeacherDropPath.ReferenceTrainMode ? new DropPath(DropPath, RandomPurpose.TeacherDropPath) : default;

    /// <summary>Where time comes from.</summary>
    internal TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>The lanes in effect on a CPU for gradients of so many bytes.</summary>
    internal int LanesFor(long gradientBytes)
    {
        int lanes = Lanes > 0 ? Lanes : DefaultLanes;
        while (Lanes == 0 && lanes > 2 && lanes * gradientBytes > LaneBudget) lanes /= 2;
        return Math.Min(lanes, BatchSize); // a lane without images would only cost memory
    }

    /// <summary>The lanes in effect on a device: unless they are set, one for each process where it takes whole batches.</summary>
    internal int LanesOn(IVimDeviceProvider device, long gradientBytes, int processes) =>
        Lanes == 0 && device.TakesWholeBatches ? Math.Min(processes, BatchSize) : LanesFor(gradientBytes);

    /// <summary>Checks what no single property can see.</summary>
    internal void Validate()
    {
        if (MixGroupSize > 0 && BatchSize % MixGroupSize != 0)
            throw new ArgumentException($"RetrainOptions.MixGroupSize is {MixGroupSize} and BatchSize {BatchSize}; a batch is cut into groups of one size, so "
                + "set MixGroupSize to a divisor of BatchSize, or to 0 for the whole batch.");
        if (MinimumLearningRate > LearningRate)
            throw new ArgumentException($"RetrainOptions.MinimumLearningRate is {MinimumLearningRate} and LearningRate {LearningRate}; the learning rate falls "
                + $"from the one to the other, so set MinimumLearningRate to at most {LearningRate}.");
        if (WarmupLearningRate > LearningRate)
            throw new ArgumentException($"RetrainOptions.WarmupLearningRate is {WarmupLearningRate} and LearningRate {LearningRate}; the learning rate rises "
                + $"from the one to the other, so set WarmupLearningRate to at most {LearningRate}.");
        if (CheckpointPath is { } checkpoint && LogPath is { } log && Path.GetFullPath(checkpoint) == Path.GetFullPath(log))
            throw new ArgumentException($"RetrainOptions.CheckpointPath and LogPath are the same file, '{checkpoint}'; give each its own.");
    }

    /// <summary>The epochs of a run over so many images.</summary>
    internal EpochPlan EpochsOf(int images) => new(images, BatchSize, RepeatedAugmentation, RepeatedEpoch, LastBatch,
        batchesPerStep: Accumulation.Rule == AccumulationRule.Mean ? Accumulation.MicroBatches : 1);

    /// <summary>
    /// Which images of a batch are mixed with which. VideoMamba deals videos out to its processes and copies each there; where repetition does not make the
    /// epoch longer, copies are dealt out one by one.
    /// </summary>
    internal MixGroups MixGroupsOf(int images) => new(images, BatchSize, MixGroupSize,
        together: RepeatedEpoch == RepeatedEpoch.Copies && MixGroupSize % RepeatedAugmentation == 0 ? RepeatedAugmentation : 1);

    /// <summary>How training images become input of a network that is evaluated so.</summary>
    internal TrainingPreprocessing PreprocessingOf(EvaluationPreprocessing evaluation) => new(evaluation)
    {
        Crop = MinimumCropArea < 1 ? TrainingCrop.RandomResized : TrainingCrop.Centre,
        Area = (MinimumCropArea, 1),
        FlipProbability = FlipProbability,
        Policy = RandAugment,
        Erasing = RandomErasing > 0 ? new Images.Augmentation.RandomErasing { Probability = RandomErasing } : null,
    };

    private static T Defined<T>(T value, string name) where T : struct, Enum => Enum.IsDefined(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"RetrainOptions.{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");

    private static T InRange<T>(T value, T low, T high, string name) where T : IComparable<T> => value.CompareTo(low) >= 0 && value.CompareTo(high) <= 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"RetrainOptions.{name} is {value}; it must be from {low} to {high}.");
}

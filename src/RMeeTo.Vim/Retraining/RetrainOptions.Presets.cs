using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Retraining;

public sealed partial record RetrainOptions
{
    /// <summary>Clean, and made for small data sets of one's own: what <c>new RetrainOptions()</c> is.</summary>
    public static RetrainOptions Default { get; } = new();

    /// <summary>
    /// The paper's re-training of image networks as its code does it (spec 3.1), on 4 processes of 128 images: 3 epochs; Vim-Small and Vim-Base of table 2 take
    /// 15, Vim-Tiny 30 (<c>RetrainOptions.Paper with { Epochs = 15 }</c>).
    /// </summary>
    /// <remarks>
    /// What the code does beside its intention is in it, each under its own name: <see cref="GradientAccumulation.Reference"/>,
    /// <see cref="LearningRateRule.ReferenceCosinePerEpoch"/>, <see cref="TeacherDropPath.ReferenceTrainMode"/>, and
    /// <see cref="WeightDecayRule.EveryParameter"/>. <see cref="WithBatchSize"/> fits it to another batch. The teacher is the network itself before training
    /// and without merges, unless another is given.
    /// </remarks>
    public static RetrainOptions Paper { get; } = new()
    {
        Epochs = 3,
        BatchSize = 512,
        Accumulation = GradientAccumulation.Reference,
        LearningRate = LearningRateSchedule.Scaled(2e-5, 4 * 128),
        MinimumLearningRate = 1e-6,
        LearningRateRule = LearningRateRule.ReferenceCosinePerEpoch,
        WeightDecay = 0.05,
        WeightDecayRule = WeightDecayRule.EveryParameter,
        LabelSmoothing = 0.1,
        TargetLossWeight = 1,
        TeacherLossWeight = 0.5,
        DropPath = 0.1,
        TeacherDropPath = TeacherDropPath.ReferenceTrainMode,
        MinimumCropArea = 0.08,
        FlipProbability = 0.5,
        RandAugment = RandAugment.Parse("rand-m9-mstd0.5-inc1"),
        RandomErasing = 0.25,
        Mix = new MixOptions(),
        MixGroupSize = 128,
        RepeatedAugmentation = 3,
        RepeatedEpoch = RepeatedEpoch.Images,
        LastBatch = LastBatch.Dropped,
    };

    /// <summary>
    /// <see cref="Paper"/> for Vim-Base, with the moving average of the weights: 15 epochs, as in table 2. The average starts from the checkpoint's own where
    /// it is given, <c>Ema = new() { Start = … }</c>, and the teacher is the checkpoint's weights without the average.
    /// </summary>
    public static RetrainOptions PaperVimBase { get; } = Paper with { Epochs = 15, Ema = new ModelEma() };

    /// <summary>
    /// The paper's re-training of VideoMamba on clips as its code does it (spec 3.2), on 4 processes of 32 videos, two augmented clips of each, two batches a
    /// step: 30 epochs for Tiny; Small and Middle take 15. No teacher.
    /// </summary>
    /// <remarks>
    /// Its one quirk is <see cref="LayerDecayRule.Reference"/>. What differs: single precision instead of bfloat16 where that multiplies matrices, and crops
    /// that are resized as those of images are, from bytes and bicubic with smoothing, instead of bilinear from normalised numbers.
    /// </remarks>
    public static RetrainOptions PaperVideo { get; } = new()
    {
        Epochs = 30,
        BatchSize = 4 * 32 * 2,
        Accumulation = GradientAccumulation.Over(2),
        LearningRate = LearningRateSchedule.Scaled(2e-5, 4 * 32 * 2 * 2, 256),
        MinimumLearningRate = LearningRateSchedule.Scaled(1e-6, 4 * 32 * 2 * 2, 256),
        WarmupEpochs = 5,
        WarmupLearningRate = LearningRateSchedule.Scaled(1e-6, 4 * 32 * 2 * 2, 256),
        LearningRateRule = LearningRateRule.CosinePerStep,
        WeightDecay = 0.1,
        WeightDecayRule = WeightDecayRule.MatricesOnly,
        LayerDecay = new LayerDecay(0.75) { Rule = LayerDecayRule.Reference },
        LabelSmoothing = 0.1,
        TeacherLossWeight = 0,
        DropPath = 0.1,
        MinimumCropArea = 0.08,
        FlipProbability = 0.5,
        RandAugment = RandAugment.Parse("rand-m5-n2-mstd0.25-inc1"),
        RandomErasing = 0.25,
        Mix = new MixOptions(),
        MixGroupSize = 64,
        RepeatedAugmentation = 2,
        RepeatedEpoch = RepeatedEpoch.Copies,
        LastBatch = LastBatch.Dropped,
    };

    /// <summary>Training from scratch as Vim-Tiny was pretrained (spec 3.4): DeiT's recipe, 300 epochs, on 8 processes of 128 images. No teacher.</summary>
    public static RetrainOptions FromScratch { get; } = Paper with
    {
        Epochs = 300,
        BatchSize = 8 * 128,
        Accumulation = GradientAccumulation.None,
        LearningRate = LearningRateSchedule.Scaled(5e-4, 8 * 128),
        MinimumLearningRate = 1e-5,
        WarmupEpochs = 5,
        WarmupLearningRate = 1e-6,
        WeightDecay = 0.1,
        WeightDecayRule = WeightDecayRule.MatricesOnly,
        TeacherLossWeight = 0,
        DropPath = 0,
        TeacherDropPath = TeacherDropPath.None,
        Ema = new ModelEma(),
    };

    /// <summary>Training from scratch as Vim-Small was pretrained (spec 3.4), on 8 processes of 64 images.</summary>
    public static RetrainOptions FromScratchSmall { get; } = FromScratch with
    {
        BatchSize = 8 * 64,
        LearningRate = LearningRateSchedule.Scaled(1e-3, 8 * 64),
        WeightDecay = 0.05,
        DropPath = 0.05,
        MixGroupSize = 64,
    };

    /// <summary>
    /// Fine-tuning of a pretrained Vim-Tiny with patches at a stride of 8 (spec 3.4), 30 epochs on 8 processes of 128 images: as <see cref="FromScratch"/> with
    /// a learning rate that is 1e-5 throughout, for base and minimum are the same at this batch, and next to no weight decay.
    /// </summary>
    public static RetrainOptions StrideEightFineTuning { get; } = FromScratch with
    {
        Epochs = 30,
        LearningRate = LearningRateSchedule.Scaled(5e-6, 8 * 128),
        MinimumLearningRate = 1e-5,
        WarmupLearningRate = 1e-5,
        WeightDecay = 1e-8,
    };

    /// <summary>
    /// The same recipe with another batch: all learning rates are scaled in proportion (<see cref="LearningRateSchedule.Scaled"/>), and images are mixed in the
    /// groups that there are where they divide the batch, else over the whole batch.
    /// </summary>
    /// <remarks>The published code for images scales the base alone and leaves minimum and start of the warm-up; the one for videos scales all three.</remarks>
    /// <param name="batchSize">1 to 1,048,576.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="batchSize"/> is out of range.</exception>
    public RetrainOptions WithBatchSize(int batchSize) => this with
    {
        BatchSize = batchSize,
        LearningRate = LearningRateSchedule.Scaled(LearningRate, batchSize, BatchSize),
        MinimumLearningRate = LearningRateSchedule.Scaled(MinimumLearningRate, batchSize, BatchSize),
        WarmupLearningRate = WarmupLearningRate is { } rate ? LearningRateSchedule.Scaled(rate, batchSize, BatchSize) : null,
        MixGroupSize = MixGroupSize > 0 && batchSize % MixGroupSize == 0 ? MixGroupSize : 0,
    };
}

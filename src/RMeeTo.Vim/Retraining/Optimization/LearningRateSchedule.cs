namespace RMeeTo.Vim.Retraining;

/// <summary>How the learning rate follows a cosine.</summary>
public enum LearningRateRule
{
    /// <summary>
    /// Anew at every step of the optimizer: a linear warm-up, then a cosine over the steps that are left. The usual rule, and that of the paper for videos
    /// (spec 3.2).
    /// </summary>
    CosinePerStep,

    /// <summary>The same, but anew at every epoch only.</summary>
    CosinePerEpoch,

    /// <summary>
    /// As the published code of R-MeeTo and DeiT do it with timm's scheduler (spec 3.1, 3.4; quirk 13 of spec 8): anew at every epoch and one epoch late, for
    /// it is asked after an epoch, with that epoch's number. Epoch 0 has the start value (of the warm-up where there is one, else the base), epoch k ≥ 1 has
    /// min + ½ (base − min) (1 + cos(π (k − 1) / E)). So epochs 0 and 1 are alike and the minimum is never reached. The warm-up, linear in k − 1, takes the
    /// place of the first epochs of this cosine instead of going before it.
    /// </summary>
    ReferenceCosinePerEpoch,
}

/// <summary>Cosine decay after an optional linear warm-up.</summary>
/// <param name="Base">Learning rate after the warm-up.</param>
/// <param name="Minimum">Learning rate that the last step approaches.</param>
/// <param name="WarmupSteps">Steps in which the rate rises linearly to <paramref name="Base"/>.</param>
/// <param name="TotalSteps">All steps, warm-up included.</param>
public readonly record struct LearningRateSchedule(double Base, double Minimum, int WarmupSteps, int TotalSteps)
{
    /// <summary>Whether the rate changes with every step or with every epoch; with every step unless set.</summary>
    public LearningRateRule Rule { get; init; }

    /// <summary>Steps of an epoch, for the rules that go by epochs; 1 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less than 1.</exception>
    public int StepsPerEpoch
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(StepsPerEpoch), value, $"LearningRateSchedule.StepsPerEpoch is {value}; it must be at least 1.");
    } = 1;

    /// <summary>Learning rate of the first step, or epoch, of the warm-up; null: <see cref="Base"/> over its steps, or epochs.</summary>
    public double? WarmupStart { get; init; }

    /// <summary>The schedule of a run.</summary>
    /// <param name="options">Rates, rule, epochs and warm-up.</param>
    /// <param name="stepsPerEpoch">Steps of the optimizer in an epoch; several micro-batches that are accumulated count once.</param>
    /// <exception cref="OverflowException">The run has 2³¹ steps or more.</exception>
    public static LearningRateSchedule Of(RetrainOptions options, int stepsPerEpoch) =>
        new(options.LearningRate, options.MinimumLearningRate, checked((int)Math.Round(options.WarmupEpochs * stepsPerEpoch)),
            checked(options.Epochs * stepsPerEpoch))
        {
            Rule = options.LearningRateRule,
            StepsPerEpoch = stepsPerEpoch,
            WarmupStart = options.WarmupLearningRate,
        };

    /// <summary>
    /// The learning rate that suits another batch: <paramref name="rate"/> · batch / reference, the linear scaling rule of the paper's code (its images: per
    /// 512; its videos: per 256 clips).
    /// </summary>
    /// <param name="rate">Learning rate for <paramref name="reference"/> images a step.</param>
    /// <param name="batch">Images a step.</param>
    /// <param name="reference">Images a step that <paramref name="rate"/> is meant for.</param>
    public static double Scaled(double rate, int batch, int reference = 512) => rate * batch / reference;

    /// <summary>
    /// The learning rate of a step, counted from 0: min + ½ (base − min) (1 + cos(π · step / total)) with step and total counted after the warm-up, or what
    /// <see cref="Rule"/> says.
    /// </summary>
    /// <param name="step">Step of the optimizer, over all epochs.</param>
    public double At(int step) => Rule switch
    {
        LearningRateRule.CosinePerEpoch => Cosine(step / StepsPerEpoch, WarmupEpochs, TotalSteps / StepsPerEpoch),
        LearningRateRule.ReferenceCosinePerEpoch => LateCosine(step / StepsPerEpoch),
        _ => Cosine(step, WarmupSteps, TotalSteps),
    };

    private int WarmupEpochs => (WarmupSteps + StepsPerEpoch - 1) / StepsPerEpoch;

    private double Cosine(int index, int warmup, int total)
    {
        if (index < warmup)
            return WarmupStart is { } start ? start + (Base - start) * index / Math.Max(1, warmup - 1) : Base * (index + 1) / warmup;
        int span = Math.Max(1, total - warmup);
        return Decayed(Math.Min(index - warmup, span), span);
    }

    private double LateCosine(int epoch)
    {
        int asked = Math.Max(0, epoch - 1), warmup = WarmupEpochs;
        double start = WarmupStart ?? Base / Math.Max(1, warmup);
        int epochs = Math.Max(1, TotalSteps / StepsPerEpoch);
        if (asked < warmup) return start + (Base - start) * asked / warmup;
        return epoch == 0 ? Base : Decayed(Math.Min(asked, epochs), epochs);
    }

    private double Decayed(int done, int all) => Minimum + 0.5 * (Base - Minimum) * (1 + Math.Cos(Math.PI * done / all));
}

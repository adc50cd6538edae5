using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Retraining;

/// <summary>Where a run stands.</summary>
public sealed record RetrainProgress
{
    /// <summary>Current epoch, from 1; 0 before the first, when the network to be re-trained was validated.</summary>
    public required int Epoch { get; init; }

    /// <summary>Epochs in all; with a <see cref="RetrainOptions.TimeBudget"/> as many as there is time for, the last of which may be a part of one.</summary>
    public required int Epochs { get; init; }

    /// <summary>Steps done in this epoch.</summary>
    public required int Step { get; init; }

    /// <summary>Steps of this epoch.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean training loss an image of this epoch so far, both parts of the loss included; 0 before the first step.</summary>
    public required double Loss { get; init; }

    /// <summary>Mean training loss an image of the last step; 0 where an epoch has just ended.</summary>
    public double StepLoss { get; init; }

    /// <summary>
    /// Share of the training images of this epoch so far that were classified rightly when they were shown, augmented as they were; a mixed image counts as the
    /// class of which it has more. Null before the first step.
    /// </summary>
    public double? TrainingTop1 { get; init; }

    /// <summary>Learning rate of the last step, or of the first where none was taken.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Training images a second in this epoch, validation not counted; 0 before the first step.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Share of the validation images that are classified rightly, where an epoch has just ended and there are validation images.</summary>
    public double? ValidationTop1 { get; init; }

    /// <summary>Share of the validation images whose class is among the five most likely ones; null for networks of fewer than five classes.</summary>
    public double? ValidationTop5 { get; init; }

    /// <summary>Mean cross-entropy of the validation images, without label smoothing.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Validation top-1 of the best epoch so far; null without validation images.</summary>
    public double? BestTop1 { get; init; }

    /// <summary>The best epoch so far; 0 for the network as it was handed in.</summary>
    public int BestEpoch { get; init; }

    /// <summary>True where an epoch has just ended.</summary>
    public bool EpochEnded { get; init; }

    /// <summary>Steps, over all epochs, that were done before this run was resumed from its checkpoint; 0 where it began here.</summary>
    public int ResumedAt { get; init; }

    /// <summary>Time since the run began, or was resumed.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>
    /// Estimate of the time that is left, validation included, from what steps and validations took so far. Null before the first step, where nothing is
    /// known.
    /// </summary>
    public required TimeSpan? Remaining { get; init; }

    /// <summary>One line, for a log.</summary>
    public override string ToString()
    {
        string top1 = ValidationTop1 is { } value ? $", validation top-1 {value:P1}" : TrainingTop1 is { } shown ? $", training top-1 {shown:P1}" : "";
        string left = Remaining is { } time ? $", {(long)time.TotalHours}:{time:mm\\:ss} left" : "";
        return Epoch == 0
            ? $"before training{top1}{left}"
            : $"epoch {Epoch}/{Epochs}, step {Step}/{Steps}, loss {Loss:0.0000}, learning rate {LearningRate:0.00e+0}, "
                + $"{ImagesPerSecond:0.0} images/s{top1}{left}";
    }
}

/// <summary>What one epoch came to.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">Mean training loss an image, while the weights changed.</param>
/// <param name="ValidationTop1">Share of validation images classified rightly, 0 to 1; null without validation images.</param>
/// <param name="Seconds">Wall time in seconds, validation included.</param>
public sealed record RetrainEpoch(int Epoch, double Loss, double? ValidationTop1, double Seconds)
{
    /// <inheritdoc cref="RetrainProgress.TrainingTop1"/>
    public double? TrainingTop1 { get; init; }

    /// <inheritdoc cref="RetrainProgress.ValidationTop5"/>
    public double? ValidationTop5 { get; init; }

    /// <inheritdoc cref="RetrainProgress.ValidationLoss"/>
    public double? ValidationLoss { get; init; }
}

/// <summary>How a run ended.</summary>
/// <typeparam name="TModel">Kind of network.</typeparam>
/// <param name="Model">
/// The best network: by validation top-1, and where that is the same by validation loss (the untrained one included); or the latest where there are no
/// validation images.
/// </param>
/// <param name="BestEpoch">
/// The epoch that made it; 0 for the network as it was handed in. Where a run without validation images was cancelled inside an epoch: the epochs that were
/// finished, and the weights are those after the last step.
/// </param>
/// <param name="StartTop1">Validation top-1 before the first step; null without validation images.</param>
/// <param name="BestTop1">Validation top-1 of <paramref name="Model"/>.</param>
/// <param name="Epochs">Every epoch that was finished, first to last, those before a resume included.</param>
/// <param name="Ending">Why the run ended.</param>
/// <param name="Duration">Wall time of this run, without what was done before a resume.</param>
public sealed record RetrainResult<TModel>(
    TModel Model, int BestEpoch, double? StartTop1, double? BestTop1, IReadOnlyList<RetrainEpoch> Epochs, RetrainEnding Ending, TimeSpan Duration)
    where TModel : ClassifierModel
{
    /// <summary>True where the run was cancelled before its end.</summary>
    public bool Cancelled => Ending == RetrainEnding.Cancelled;
}

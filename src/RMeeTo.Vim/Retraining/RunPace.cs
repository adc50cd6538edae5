namespace RMeeTo.Vim.Retraining;

/// <summary>How long steps and validations take: what the remaining time of a run is worked out from.</summary>
/// <param name="epochs">Epochs of the whole run.</param>
/// <param name="stepsPerEpoch">Steps of an epoch.</param>
/// <param name="history">Epochs that were done before a resume; their time serves until this run has some of its own.</param>
internal sealed class RunPace(int epochs, int stepsPerEpoch, IReadOnlyList<RetrainEpoch> history)
{
    private readonly double? _earlierEpochSeconds = history.Count > 0 ? history[^1].Seconds : null;
    private double _stepSeconds;
    private int _steps;
    private double? _validationSeconds;

    /// <summary>A step was done.</summary>
    public void AddStep(TimeSpan duration)
    {
        _stepSeconds += duration.TotalSeconds;
        _steps++;
    }

    /// <summary>The validation images were classified.</summary>
    public void AddValidation(TimeSpan duration) => _validationSeconds = duration.TotalSeconds;

    /// <summary>Estimate of what is left; null where nothing is known.</summary>
    /// <param name="stepsDone">Steps done in all epochs.</param>
    /// <param name="epochsDone">Epochs done, validation included.</param>
    public TimeSpan? Remaining(int stepsDone, int epochsDone)
    {
        double epochsLeft = epochs - stepsDone / (double)stepsPerEpoch;
        if (epochsLeft <= 0 && epochsDone == epochs) return TimeSpan.Zero;
        if (_steps == 0) return _earlierEpochSeconds is { } earlier ? TimeSpan.FromSeconds(epochsLeft * earlier) : null;
        double epoch = _stepSeconds / _steps * stepsPerEpoch;
        double validation = _validationSeconds ?? Math.Max(0, (_earlierEpochSeconds ?? 0) - epoch);
        return TimeSpan.FromSeconds(epochsLeft * epoch + (epochs - epochsDone) * validation);
    }
}

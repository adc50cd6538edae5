using System.Diagnostics;

namespace RMeeTo.Vim.Retraining;

/// <summary>Tells the listener where the run stands, and keeps the times that this takes.</summary>
/// <param name="state">Where the run stands.</param>
/// <param name="options">Listener and epochs.</param>
/// <param name="stepsPerEpoch">Steps of an epoch.</param>
internal sealed class RunReporter(RetrainState state, RetrainOptions options, int stepsPerEpoch)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly RunPace _pace = new(options.Epochs, stepsPerEpoch, [.. state.History]);
    private TimeSpan _epochStarted, _stepStarted, _steps;
    private int _images;

    /// <summary>Time since the run began, or was resumed.</summary>
    public TimeSpan Elapsed => _clock.Elapsed;

    /// <summary>Seconds of the current epoch.</summary>
    public double EpochSeconds => (_clock.Elapsed - _epochStarted).TotalSeconds;

    /// <summary>The network was validated before training.</summary>
    /// <param name="learningRate">Learning rate of the first step.</param>
    public void Started(double learningRate) => Report(learningRate, state.StartTop1, true);

    /// <summary>An epoch begins.</summary>
    public void EpochBegins()
    {
        _epochStarted = _stepStarted = _clock.Elapsed;
        _steps = default;
        _images = state.EpochImages;
    }

    /// <summary>A step was taken.</summary>
    /// <param name="learningRate">Its learning rate.</param>
    public void Stepped(double learningRate)
    {
        var now = _clock.Elapsed;
        _pace.AddStep(now - _stepStarted);
        _steps += now - _stepStarted;
        Report(learningRate, null, false);
        _stepStarted = _clock.Elapsed;
    }

    /// <summary>The validation images were classified.</summary>
    public void Validated(TimeSpan duration) => _pace.AddValidation(duration);

    /// <summary>An epoch has ended.</summary>
    /// <param name="learningRate">Learning rate of its last step.</param>
    /// <param name="top1">Validation top-1; null without validation images.</param>
    public void EpochEnded(double learningRate, double? top1) => Report(learningRate, top1, true);

    private void Report(double learningRate, double? top1, bool epochEnded) => options.Progress?.Report(new RetrainProgress
    {
        Epoch = epochEnded ? state.Epoch : state.Epoch + 1,
        Epochs = options.Epochs,
        Step = state.EpochStep,
        Steps = stepsPerEpoch,
        Loss = state.EpochImages == 0 ? 0 : state.LossSum / state.EpochImages,
        LearningRate = learningRate,
        ImagesPerSecond = _steps > TimeSpan.Zero ? (state.EpochImages - _images) / _steps.TotalSeconds : 0,
        ValidationTop1 = top1,
        EpochEnded = epochEnded,
        Elapsed = _clock.Elapsed,
        Remaining = _pace.Remaining(state.Step, state.Epoch),
    });
}

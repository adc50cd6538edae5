namespace RMeeTo.Vim.Retraining;

/// <summary>Takes the times of a run, and tells the listener where it stands.</summary>
/// <param name="state">Where the run stands.</param>
/// <param name="listener">Told; or null.</param>
/// <param name="clock">Time used.</param>
/// <param name="pace">Kept up to date.</param>
/// <param name="stepsPerEpoch">Steps of a whole epoch.</param>
internal sealed class RunReporter(RetrainState state, IProgress<RetrainProgress>? listener, RunClock clock, RunPace pace, int stepsPerEpoch)
{
    private readonly int _resumedAt = state.Step;
    private TimeSpan _mark;
    private TimeSpan _epochBegan;
    private int _imagesBefore;
    private bool _epochEnded;
    private double _imagesPerSecond;
    private EpochSums _last;

    /// <summary>The network was validated before training.</summary>
    /// <param name="learningRate">Learning rate of the first step.</param>
    public void Started(double learningRate) => Report(state.Epoch, 0, default, learningRate, state.StartScore, ended: true, isLast: false);

    /// <summary>An epoch begins, or goes on after a resume.</summary>
    public void EpochBegins()
    {
        var now = clock.Elapsed;
        if (_epochEnded) pace.AddEpochEnd(now - _mark);
        (_mark, _epochBegan, _imagesBefore, _epochEnded, _last) = (now, now, state.Sums.Images, false, state.Sums);
    }

    /// <summary>A step was taken.</summary>
    /// <param name="loss">Mean loss of its images.</param>
    public void Stepped(double loss)
    {
        var now = clock.Elapsed;
        pace.AddStep(now - _mark); // from the end of the one before, so that what a listener and a checkpoint take counts
        _mark = now;
        _last = state.Sums;
        double seconds = (now - _epochBegan).TotalSeconds;
        _imagesPerSecond = seconds > 0 ? (state.Sums.Images - _imagesBefore) / seconds : 0;
        Report(state.Epoch + 1, loss, state.Sums, state.LearningRate, null, ended: false, isLast: false);
    }

    /// <summary>An epoch was validated, and will be written.</summary>
    /// <param name="checkpoint">What the last checkpoint took.</param>
    public void EpochEnds(TimeSpan checkpoint)
    {
        pace.AddEpochEnd(clock.Elapsed - _mark + checkpoint);
        state.EpochEndSeconds = pace.EpochEnd;
        _epochEnded = true;
    }

    /// <summary>An epoch has ended.</summary>
    /// <param name="score">Validation; null without validation images.</param>
    /// <param name="isLast">Whether the run ends with it.</param>
    public void EpochEnded(ValidationScore? score, bool isLast) => Report(state.Epoch, 0, _last, state.LearningRate, score, ended: true, isLast);

    private void Report(int epoch, double stepLoss, EpochSums sums, double learningRate, ValidationScore? score, bool ended, bool isLast)
    {
        if (listener is null) return;
        long end = state.Plan.End, ends = state.EpochEndsUntil(end, stepsPerEpoch);
        long epochFirst = Math.Max(0, epoch - 1) * (long)stepsPerEpoch;
        listener.Report(new RetrainProgress
        {
            Epoch = epoch,
            Epochs = (int)((end + stepsPerEpoch - 1) / stepsPerEpoch),
            Step = sums.Steps,
            Steps = (int)Math.Clamp(end - epochFirst, 0, stepsPerEpoch),
            Loss = sums.Images == 0 ? 0 : sums.Loss / sums.Images,
            StepLoss = stepLoss,
            TrainingTop1 = sums.Images == 0 ? null : sums.Right / (double)sums.Images,
            LearningRate = learningRate,
            ImagesPerSecond = _imagesPerSecond,
            ValidationTop1 = score?.Top1,
            ValidationTop5 = score?.Top5,
            ValidationLoss = score?.Loss,
            BestTop1 = state.BestScore?.Top1,
            BestEpoch = state.BestEpoch,
            EpochEnded = ended,
            ResumedAt = _resumedAt,
            Elapsed = clock.Elapsed,
            Remaining = isLast ? TimeSpan.Zero : pace.For(Math.Max(0, end - state.Step), Math.Max(0, ends)),
        });
    }
}

namespace RMeeTo.Vim.Retraining;

/// <summary>How long steps and the ends of epochs take: what the remaining time of a run is worked out from.</summary>
/// <param name="stepsPerEpoch">Steps of an epoch.</param>
/// <param name="epochSeconds">Time of an epoch before a resume; it serves until this process has taken steps of its own. Null where there is none.</param>
/// <param name="epochEndSeconds">The part of it that validation and checkpoint took.</param>
internal sealed class RunPace(int stepsPerEpoch, double? epochSeconds = null, double epochEndSeconds = 0)
{
    private const int RecentSteps = 16;

    private readonly Queue<double> _recent = new(RecentSteps);
    private double _first;
    private double _others;

    /// <summary>Steps that were timed.</summary>
    public int Steps { get; private set; }

    /// <summary>Whether anything is known of the time that a step takes.</summary>
    public bool IsKnown => Steps > 0 || epochSeconds is not null;

    /// <summary>What an epoch takes beside its steps, in seconds: validation and checkpoint.</summary>
    public double EpochEnd { get; private set; } = epochEndSeconds;

    /// <summary>
    /// Mean of a step in seconds. The first of a process compiles code and fills caches; it counts only as long as there is no other.
    /// </summary>
    private double Step => Steps > 1 ? _others / (Steps - 1) : Steps == 1 ? _first : Math.Max(0, epochSeconds.GetValueOrDefault() - EpochEnd) / stepsPerEpoch;

    /// <summary>A step was done.</summary>
    public void AddStep(TimeSpan duration)
    {
        if (Steps == 0) _first = duration.TotalSeconds;
        else _others += duration.TotalSeconds;
        if (Steps == 1 || _recent.Count == RecentSteps) _recent.Dequeue();
        _recent.Enqueue(duration.TotalSeconds);
        Steps++;
    }

    /// <summary>A part of what the end of an epoch takes was done before there was one: a validation, a checkpoint.</summary>
    public void ExpectAtEpochEnd(TimeSpan duration) => EpochEnd += duration.TotalSeconds;

    /// <summary>Validation and checkpoint of an epoch are done.</summary>
    public void AddEpochEnd(TimeSpan duration) => EpochEnd = duration.TotalSeconds;

    /// <summary>Estimate of the time that some steps and ends of epochs take; null where nothing is known.</summary>
    public TimeSpan? For(long steps, long epochEnds) =>
        steps == 0 && epochEnds == 0 ? TimeSpan.Zero : IsKnown ? TimeSpan.FromSeconds(steps * Step + epochEnds * EpochEnd) : null;

    /// <summary>The same in seconds, on the safe side: where the last steps were slower than all of them, they tell.</summary>
    public double AtMost(long steps, long epochEnds) =>
        steps * (_recent.Count > 0 ? Math.Max(Step, _recent.Average()) : Step) + epochEnds * EpochEnd;
}

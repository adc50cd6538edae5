namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Where a run ends, and which place of the learning-rate schedule a step takes. The schedule is made for all epochs; a run that has not the time for them goes
/// through it in larger strides, so that it still reaches its end. Revised, it goes on from where it is: the rate never jumps back.
/// </summary>
/// <param name="FromStep">Step, over all epochs, from which this plan holds.</param>
/// <param name="FromPlace">Place of that step in the schedule, counted in steps.</param>
/// <param name="End">Steps in all that the run takes.</param>
/// <param name="Full">Steps of all epochs, for which the schedule is made.</param>
internal readonly record struct StepPlan(long FromStep, long FromPlace, long End, long Full)
{
    /// <summary>All epochs: every step has its own place.</summary>
    public static StepPlan Whole(long steps) => new(0, 0, steps, steps);

    /// <summary>The last step that a revised plan could end after: no stride is shorter than one.</summary>
    public long LatestEnd(long step) => step + Full - Place(step);

    /// <summary>Place in the schedule of a step from <see cref="FromStep"/> on; 0 … <see cref="Full"/> − 1 before the end.</summary>
    public long Place(long step)
    {
        if (step >= End) return Full;
        return FromPlace + (long)((Int128)(step - FromStep) * (Full - FromPlace) / (End - FromStep));
    }

    /// <summary>The plan from a step on, with another end.</summary>
    /// <param name="step">The next step.</param>
    /// <param name="end">From <paramref name="step"/> to <see cref="LatestEnd"/>.</param>
    public StepPlan Revised(long step, long end) => end == End ? this : new(step, Place(step), Math.Clamp(end, step, LatestEnd(step)), Full);
}

using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Plans how many steps fit into what is left of a time budget, from what steps, validations and checkpoints took so far: after the second step, then each time
/// that an eighth of the steps, or of the time, that were left is over, and after every epoch. Of several processes the first plans for all.
/// </summary>
/// <param name="budget">Time for the whole run, what was used before a resume included.</param>
/// <param name="state">Where the run stands; its plan is revised.</param>
/// <param name="clock">Time used.</param>
/// <param name="pace">What steps take.</param>
/// <param name="epochs">Steps of an epoch.</param>
/// <param name="microBatches">Steps that belong together: a run does not end between them.</param>
internal sealed class TimePlanner(TimeSpan budget, RetrainState state, RunClock clock, RunPace pace, EpochPlan epochs, int microBatches)
{
    private const int Parts = 8;
    private const double Reserve = 0.01;

    private long _nextStep;
    private double _nextLeft = double.PositiveInfinity;

    /// <summary>Plans anew where it is time to.</summary>
    /// <param name="now">In any case.</param>
    public void Look(bool now)
    {
        double left = (budget - clock.Used).TotalSeconds;
        bool isScarce = left <= pace.AtMost(pace.IsKnown ? 2 : 0, 1);
        if (!isScarce)
        {
            if (!pace.IsKnown || pace.Steps == 1) return; // the first step says too little
            if (!now && state.Step < _nextStep && left > _nextLeft) return;
        }
        state.Plan = state.Plan.Revised(state.Step, EndWithin(left));
        // The first steps say little as well: plans are made anew after twice as many steps each time, until that is a part of what is left.
        _nextStep = state.Step + Math.Clamp((state.Plan.End - state.Step) / Parts, 1, Math.Max(1, pace.Steps));
        _nextLeft = left - left / Parts;
    }

    /// <summary>The last step that the time allows for, with the validation after it.</summary>
    private long EndWithin(double seconds)
    {
        double time = seconds - Math.Max(Reserve * seconds, pace.AtMost(1, 0));
        long fits = state.Step, tooMany = state.Plan.LatestEnd(state.Step) + 1;
        while (tooMany - fits > 1)
        {
            long middle = fits + (tooMany - fits) / 2;
            if (pace.AtMost(middle - state.Step, state.EpochEndsUntil(middle, epochs.Steps)) <= time) fits = middle;
            else tooMany = middle;
        }
        return Math.Max(state.Step, fits - fits % epochs.Steps % microBatches);
    }
}

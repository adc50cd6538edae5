namespace RMeeTo.Vim.Retraining;

/// <summary>Cosine decay, step by step, after an optional linear warm-up.</summary>
/// <param name="Base">Learning rate after the warm-up.</param>
/// <param name="Minimum">Learning rate that the last step approaches.</param>
/// <param name="WarmupSteps">Steps in which the rate rises linearly from <paramref name="Base"/> / WarmupSteps to <paramref name="Base"/>.</param>
/// <param name="TotalSteps">All steps, warm-up included.</param>
public readonly record struct LearningRateSchedule(double Base, double Minimum, int WarmupSteps, int TotalSteps)
{
    /// <summary>
    /// The learning rate of a step, counted from 0: min + ½ (base − min) (1 + cos(π · step / total)) with step and total counted after the warm-up.
    /// </summary>
    public double At(int step)
    {
        if (step < WarmupSteps) return Base * (step + 1) / WarmupSteps;
        int span = Math.Max(1, TotalSteps - WarmupSteps);
        return Minimum + 0.5 * (Base - Minimum) * (1 + Math.Cos(Math.PI * Math.Min(step - WarmupSteps, span) / span));
    }
}

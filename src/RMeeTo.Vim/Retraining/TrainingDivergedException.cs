namespace RMeeTo.Vim.Retraining;

/// <summary>Training diverged: the loss, or what a step made of the weights, is no longer finite.</summary>
public sealed class TrainingDivergedException : Exception
{
    /// <summary>Says at which step and learning rate.</summary>
    /// <param name="what">What is no longer finite.</param>
    /// <param name="epoch">Epoch, from 1.</param>
    /// <param name="step">Step of that epoch, from 1.</param>
    /// <param name="learningRate">Learning rate of the step.</param>
    public TrainingDivergedException(string what, int epoch, int step, double learningRate)
        : base($"{what} at epoch {epoch}, step {step}, with learning rate {learningRate:0.###e+0}. Use a lower learning rate or "
            + "a longer warm-up; the last checkpoint, where one was asked for, is intact.")
    {
        (Epoch, Step, LearningRate) = (epoch, step, learningRate);
    }

    /// <summary>Epoch, from 1.</summary>
    public int Epoch { get; }

    /// <summary>Step of that epoch, from 1.</summary>
    public int Step { get; }

    /// <summary>Learning rate of the step.</summary>
    public double LearningRate { get; }
}

using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>All that a run is made of between two steps: what a checkpoint stores and a resume restores.</summary>
/// <param name="weights">Start weights.</param>
/// <param name="average">Start weights of the moving average; null where there is none.</param>
internal sealed class RetrainState(NetworkWeights weights, NetworkWeights? average = null)
{
    /// <summary>Epochs done, validation included.</summary>
    public int Epoch { get; set; }

    /// <summary>Batches done.</summary>
    public int Step { get; set; }

    /// <summary>Steps of AdamW done.</summary>
    public int Updates { get; set; }

    /// <summary>What is done of the current epoch.</summary>
    public EpochSums Sums { get; set; }

    /// <summary>Learning rate of the last step.</summary>
    public double LearningRate { get; set; }

    /// <summary>Where the run ends, and how the learning rate gets there.</summary>
    public StepPlan Plan { get; set; }

    /// <summary>Time that the run has used up to its last checkpoint, in all processes.</summary>
    public TimeSpan Used { get; set; }

    /// <summary>Time that it had used when the current epoch began.</summary>
    public TimeSpan EpochBegan { get; set; }

    /// <summary>What validation and checkpoint of the last epoch took, in seconds; of the first, what is known of it before its end.</summary>
    public double EpochEndSeconds { get; set; }

    /// <summary>Current weights.</summary>
    public NetworkWeights Weights { get; } = weights.Clone();

    /// <summary>AdamW's first moment, laid out like the weights.</summary>
    public float[] FirstMoment { get; } = new float[weights.Values.Length];

    /// <summary>AdamW's second moment.</summary>
    public float[] SecondMoment { get; } = new float[weights.Values.Length];

    /// <summary>Moving average of the weights, where it is asked for.</summary>
    public NetworkWeights? Average { get; } = average?.Clone();

    /// <summary>Best weights so far.</summary>
    public NetworkWeights Best { get; } = (average ?? weights).Clone();

    /// <summary>Epoch of the best weights.</summary>
    public int BestEpoch { get; set; }

    /// <summary>Validation of the best weights.</summary>
    public ValidationScore? BestScore { get; set; }

    /// <summary>Validation before the first step.</summary>
    public ValidationScore? StartScore { get; set; }

    /// <summary>Epochs done.</summary>
    public List<RetrainEpoch> History { get; } = [];

    /// <summary>False where a weight, an average or a moment is infinite or no number.</summary>
    public bool IsFinite =>
        AllFinite(Weights.Values) && AllFinite(FirstMoment) && AllFinite(SecondMoment) && (Average is null || AllFinite(Average.Values));

    /// <summary>Ends of epochs that are still to come where a run of so many steps ends.</summary>
    public long EpochEndsUntil(long end, int stepsPerEpoch) => (end + stepsPerEpoch - 1) / stepsPerEpoch - Epoch;

    /// <summary>Takes the current weights, or their average, as the best where they are better than all before, or where nothing can be compared.</summary>
    public void KeepIfBest(ValidationScore? score)
    {
        if (score is { } value && BestScore is { } best && !value.IsBetterThan(best)) return;
        (Average ?? Weights).Values.CopyTo(Best.Values, 0);
        (BestEpoch, BestScore) = (Epoch, score);
    }

    /// <summary>An epoch is done, and nothing of the next.</summary>
    /// <param name="score">Its validation; null where there are no images for it.</param>
    /// <param name="now">Time used.</param>
    public void EndEpoch(ValidationScore? score, TimeSpan now)
    {
        Epoch++;
        KeepIfBest(score);
        History.Add(new RetrainEpoch(Epoch, Sums.Loss / Sums.Images, score?.Top1, (now - EpochBegan).TotalSeconds)
        {
            TrainingTop1 = Sums.Right / (double)Sums.Images,
            ValidationLoss = score?.Loss,
            ValidationTop5 = score?.Top5,
        });
        (Sums, EpochBegan) = (default, now);
    }

    private static bool AllFinite(float[] values)
    {
        foreach (float value in values)
            if (!float.IsFinite(value)) return false;
        return true;
    }
}

/// <summary>What is done of an epoch.</summary>
/// <param name="Steps">Steps.</param>
/// <param name="Images">Images that were shown.</param>
/// <param name="Right">Those that were classified rightly.</param>
/// <param name="Loss">Sum of their losses.</param>
internal readonly record struct EpochSums(int Steps, int Images, int Right, double Loss)
{
    /// <summary>With one more step.</summary>
    public EpochSums Plus(int images, int right, double loss) => new(Steps + 1, Images + images, Right + right, Loss + loss);
}

/// <summary>What a validation came to.</summary>
/// <param name="Top1">Share of the images that are classified rightly.</param>
/// <param name="Top5">Share whose class is among the five most likely; null for fewer than five classes.</param>
/// <param name="Loss">Mean cross-entropy, without label smoothing.</param>
internal readonly record struct ValidationScore(double Top1, double? Top5, double Loss)
{
    /// <summary>More images are classified rightly; of as many, the loss is lower.</summary>
    public bool IsBetterThan(ValidationScore other) => Top1 > other.Top1 || (Top1 == other.Top1 && Loss < other.Loss);
}

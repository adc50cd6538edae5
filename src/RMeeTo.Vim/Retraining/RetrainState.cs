using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>All that a run is made of between two epochs: what a checkpoint stores and a resume restores.</summary>
/// <param name="weights">Start weights.</param>
/// <param name="average">Start weights of the moving average; null where there is none.</param>
internal sealed class RetrainState(NetworkWeights weights, NetworkWeights? average = null)
{
    /// <summary>Epochs done.</summary>
    public int Epoch { get; set; }

    /// <summary>Batches done.</summary>
    public int Step { get; set; }

    /// <summary>Steps of AdamW done.</summary>
    public int Updates { get; set; }

    /// <summary>Steps done of the current epoch.</summary>
    public int EpochStep { get; set; }

    /// <summary>Images shown in the current epoch.</summary>
    public int EpochImages { get; set; }

    /// <summary>Sum of their losses.</summary>
    public double LossSum { get; set; }

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

    /// <summary>Validation top-1 of the best weights.</summary>
    public double? BestTop1 { get; set; }

    /// <summary>Validation top-1 before the first step.</summary>
    public double? StartTop1 { get; set; }

    /// <summary>Epochs done.</summary>
    public List<RetrainEpoch> History { get; } = [];

    /// <summary>False where a weight or a moment is infinite or no number.</summary>
    public bool IsFinite => AllFinite(Weights.Values) && AllFinite(FirstMoment) && AllFinite(SecondMoment);

    /// <summary>Takes the current weights, or their average, as the best where they are better than all before, or where nothing can be compared.</summary>
    public void KeepIfBest(double? top1)
    {
        if (top1 is { } value && BestTop1 is { } best && value <= best) return;
        (Average ?? Weights).Values.CopyTo(Best.Values, 0);
        (BestEpoch, BestTop1) = (Epoch, top1);
    }

    /// <summary>An epoch is done: it counts, and the next begins at its first step once <see cref="BeginEpoch"/> is called.</summary>
    public void EndEpoch(double? top1, double seconds)
    {
        Epoch++;
        KeepIfBest(top1);
        History.Add(new RetrainEpoch(Epoch, LossSum / EpochImages, top1, seconds));
    }

    /// <summary>Nothing of the next epoch is done yet.</summary>
    public void BeginEpoch() => (EpochStep, EpochImages, LossSum) = (0, 0, 0);

    private static bool AllFinite(float[] values)
    {
        foreach (float value in values)
            if (!float.IsFinite(value)) return false;
        return true;
    }
}

using System.Text.Json.Serialization;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// An exponential moving average of the weights: after every step of the optimizer, or every group of accumulated micro-batches,
/// average ← decay · average + (1 − decay) · weights. It is what is validated and returned; training itself goes on with the weights. A single micro-batch at
/// the end of an epoch does not move it where <see cref="AccumulationRule.Reference"/> takes two.
/// </summary>
/// <remarks>
/// Source: timm's <c>ModelEma</c> with a fixed decay; the paper uses it for Vim-Base only (spec 3.1). With the default decay the start weights still count
/// 0.96 after 1,000 steps and 0.67 after 10,000: for short runs take a smaller decay, such as 0.99.
/// </remarks>
public sealed record ModelEma
{
    /// <summary>Decay, 0 to below 1; 0.99996 unless set.</summary>
    public double Decay
    {
        get;
        init => field = value is >= 0 and < 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Decay), value, $"ModelEma.Decay is {value}; it must be at least 0 and below 1.");
    } = 0.99996;

    /// <summary>
    /// The network whose weights the average starts from, such as the EMA weights of the same checkpoint (<see cref="Checkpoints.CheckpointReadOptions"/>
    /// chooses them); null: the start weights of the run.
    /// </summary>
    [JsonIgnore]
    public ClassifierModel? Start { get; init; }

    /// <summary>Throws where the average does not fit the network.</summary>
    internal void ThrowIfUnfit(ClassifierModel model)
    {
        if (Start is null) return;
        if (!Start.ClassNames.SequenceEqual(model.ClassNames))
            throw new ArgumentException($"ModelEma.Start has {Start.ClassNames.Count} classes and the network {model.ClassNames.Count}, or their names or "
                + "order differ; it has to be the same network with other weights. Use WithHead with the same arguments for both, or leave Start out.");
        IReadOnlyList<VimParameter> average = Start.Weights.Parameters.All, weights = model.Weights.Parameters.All;
        var odd = average.Zip(weights).FirstOrDefault(pair => pair.First.Name != pair.Second.Name || pair.First.ShapeText != pair.Second.ShapeText);
        if (odd.First is not null)
            throw new ArgumentException($"ModelEma.Start has {odd.First.Name} {odd.First.ShapeText} where the network has "
                + $"{odd.Second.Name} {odd.Second.ShapeText}; it has to be the same network with other weights.");
        if (average.Count != weights.Count)
            throw new ArgumentException($"ModelEma.Start has {average.Count} parameters and the network {weights.Count}; it has to be the same network with "
                + "other weights.");
    }
}

using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// A complete image classifier of any kind: weights, names of the classes, merges, and how an image becomes input. What <see cref="Retraining.Retrainer"/>
/// re-trains.
/// </summary>
public abstract class ClassifierModel
{
    private protected ClassifierModel() { }

    /// <summary>The values of all parameters.</summary>
    public abstract NetworkWeights Weights { get; }

    /// <summary>Name of each class, in the order of the head's rows.</summary>
    public abstract IReadOnlyList<string> ClassNames { get; }

    /// <summary>How an image becomes input.</summary>
    public abstract EvaluationPreprocessing Preprocessing { get; }

    /// <summary>Frames of a clip that it classifies; 0 where it classifies images.</summary>
    internal virtual int InputFrames => 0;

    /// <summary>True where no tokens merge.</summary>
    internal abstract bool IsDense { get; }

    /// <summary>Tokens that each block is asked to remove.</summary>
    internal abstract IReadOnlyList<int> RemovedPerBlock { get; }

    /// <summary>All else that decides what the network computes, by name: records of settings.</summary>
    internal abstract IEnumerable<(string Name, object Settings)> Settings { get; }

    /// <summary>The network over weights that are on a device.</summary>
    internal abstract ClassifierNetwork CreateNetwork(DeviceWeights weights);

    /// <summary>The same model with other values of its parameters.</summary>
    internal abstract ClassifierModel WithValues(NetworkWeights weights);

    /// <summary>The plain network: the same weights, nothing merges.</summary>
    internal abstract ClassifierModel WithoutMerges();
}

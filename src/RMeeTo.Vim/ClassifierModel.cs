using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// A complete image classifier of any kind: weights, names of the classes, merges, and how an image becomes input. What <see cref="Retraining.Retrainer"/>
/// re-trains.
/// </summary>
/// <remarks>
/// The file is one safetensors file. Its tensors have the official names, so PyTorch loads it as a plain state dict; everything else stands in its metadata.
/// A file of any format version that was ever released can be loaded. The model is immutable but for the values of <see cref="Weights"/>.
/// </remarks>
public abstract class ClassifierModel
{
    /// <summary>Keeps the parts that every kind has.</summary>
    /// <exception cref="ArgumentException">There is not one name for each row of the head, or one occurs twice.</exception>
    private protected ClassifierModel(NetworkWeights weights, IReadOnlyList<string> classNames)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(classNames);
        ClassNameList.Check(classNames, weights.Parameters.ClassRows.Bias.Length, nameof(classNames));
        (Weights, ClassNames) = (weights, [.. classNames]);
    }

    /// <summary>The values of all parameters.</summary>
    public virtual NetworkWeights Weights { get; }

    /// <summary>Name of each class, in the order of the head's rows.</summary>
    public IReadOnlyList<string> ClassNames { get; }

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

    /// <summary>Saves the model in one file, which is replaced whole or not at all.</summary>
    /// <param name="path">The file to make or to replace; the usual extension is <c>.safetensors</c>.</param>
    /// <exception cref="IOException">The file cannot be written; an old file is as it was.</exception>
    public void Save(string path) => WeightTensors.Save(path, Weights, Metadata());

    /// <summary>Saves the model to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    public void Save(Stream stream) => WeightTensors.Save(stream, Weights, Metadata());

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public abstract ClassifierModel WithHead(IReadOnlyList<string> classNames, ulong seed);

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <param name="report">Which classes were kept and which are new.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public abstract ClassifierModel WithHead(IReadOnlyList<string> classNames, ulong seed, out CheckpointReport report);

    /// <summary>
    /// A copy for another image size: the position table is interpolated (bicubic, around the class token's row). Each merge removes as many tokens as before.
    /// </summary>
    /// <param name="height">Input height in pixels.</param>
    /// <param name="width">Input width in pixels.</param>
    /// <remarks>The published networks keep most of their accuracy at moderately larger sizes; a few epochs of re-training recover the rest.</remarks>
    /// <exception cref="ArgumentException">The image would be smaller than a patch, or too large.</exception>
    public abstract ClassifierModel WithImageSize(int height, int width);

    /// <summary>The network over weights that are on a device.</summary>
    internal abstract ClassifierNetwork CreateNetwork(DeviceWeights weights);

    /// <summary>The same model with other values of its parameters.</summary>
    internal abstract ClassifierModel WithValues(NetworkWeights weights);

    /// <summary>The plain network: the same weights, nothing merges.</summary>
    internal abstract ClassifierModel WithoutMerges();

    /// <summary>What its file says beside the tensors.</summary>
    private protected abstract Dictionary<string, string> Metadata();

    /// <summary>The preprocessing, which must make images of the size that the network takes.</summary>
    private protected static EvaluationPreprocessing Agreeing(EvaluationPreprocessing preprocessing, int height, int width) =>
        (preprocessing.ImageHeight, preprocessing.ImageWidth) == (height, width) ? preprocessing
            : throw new ArgumentException($"The preprocessing makes images of {preprocessing.ImageWidth}×{preprocessing.ImageHeight} pixels and the network "
                + $"takes {width}×{height}; they must be equal.", nameof(preprocessing));

    /// <summary>The weights, which must be of this architecture.</summary>
    private protected static TWeights OfArchitecture<TWeights, TConfig>(TWeights weights, TConfig found, TConfig wanted) where TConfig : class =>
        Equals(found, wanted) ? weights
            : throw new ArgumentException($"The weights are of another architecture: {found} instead of {wanted}.", nameof(weights));
}

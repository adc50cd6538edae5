using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// A complete DeiT classifier: weights, names of the classes, where and how tokens merge, and how an image becomes input. <see cref="Retraining.Retrainer"/>
/// re-trains it,
/// <see cref="DeitClassifier"/> uses it.
/// </summary>
/// <remarks>
/// The file is one safetensors file. Its tensors have the official names, so PyTorch loads it as a plain state dict; everything else stands in its metadata.
/// The model is immutable but for the values of <see cref="Weights"/>.
/// </remarks>
public sealed class DeitModel : ClassifierModel
{
    /// <summary>Puts a model together.</summary>
    /// <param name="weights">The weights; not copied.</param>
    /// <param name="classNames">A name for each of the <see cref="DeitConfig.Classes"/> rows of the head, all different.</param>
    /// <param name="schedule">Where tokens merge; nowhere unless given.</param>
    /// <param name="merging">How they merge; <see cref="DeitMergeOptions.Default"/> unless given.</param>
    /// <param name="preprocessing">How an image becomes input; the published evaluation's at the network's image size unless given.</param>
    /// <exception cref="ArgumentException">The parts do not fit each other.</exception>
    public DeitModel(DeitWeights weights, IReadOnlyList<string> classNames, DeitMergeSchedule? schedule = null, DeitMergeOptions? merging = null,
        EvaluationPreprocessing? preprocessing = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(classNames);
        var config = weights.Config;
        ClassNameList.Check(classNames, config.Classes, nameof(classNames));
        Weights = weights;
        ClassNames = [.. classNames];
        Merging = merging ?? DeitMergeOptions.Default;
        Schedule = schedule ?? DeitMergeSchedule.Dense(config);
        Preprocessing = preprocessing ?? new() { ImageHeight = config.ImageHeight, ImageWidth = config.ImageWidth };
        Schedule.ThrowIfNotFor(config, nameof(schedule));
        if ((Preprocessing.ImageHeight, Preprocessing.ImageWidth) != (config.ImageHeight, config.ImageWidth))
            throw new ArgumentException($"The preprocessing makes images of {Preprocessing.ImageWidth}×{Preprocessing.ImageHeight} pixels and the network "
                + $"takes {config.ImageWidth}×{config.ImageHeight}; they must be equal.", nameof(preprocessing));
    }

    /// <summary>The architecture.</summary>
    public DeitConfig Config => Weights.Config;

    /// <inheritdoc/>
    public override DeitWeights Weights { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames { get; }

    /// <summary>How many tokens each block removes.</summary>
    public DeitMergeSchedule Schedule { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public DeitMergeOptions Merging { get; }

    /// <inheritdoc/>
    public override EvaluationPreprocessing Preprocessing { get; }

    internal override bool IsDense => Schedule.IsDense;

    internal override IReadOnlyList<int> RemovedPerBlock => Schedule.RemovedPerBlock;

    internal override IEnumerable<(string Name, object Settings)> Settings => [("network", Config), ("merging", Merging), ("preprocessing", Preprocessing)];

    /// <summary>Loads a file that <see cref="Save(string)"/> wrote, of this or any earlier version.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict, for which <see cref="DeitCheckpoint.Load"/> is, or another kind of
    /// network.</exception>
    public static DeitModel Load(string path)
    {
        using var source = Checkpoint.Open(path);
        return Load(source);
    }

    /// <summary>Loads a model from a stream, which stays open: from its position to its end. It need not be able to seek.</summary>
    /// <param name="stream">What <see cref="Save(Stream)"/> wrote.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict, for which <see cref="DeitCheckpoint.Load"/> is, or another kind of
    /// network.</exception>
    public static DeitModel Load(Stream stream, string? name = null)
    {
        using var source = Checkpoint.Open(stream, name: name, leaveOpen: true);
        return Load(source);
    }

    /// <summary>Saves the model in one file, which is replaced whole or not at all.</summary>
    /// <param name="path">The file to make or to replace; the usual extension is <c>.safetensors</c>.</param>
    /// <exception cref="IOException">The file cannot be written; an old file is as it was.</exception>
    public void Save(string path) => DeitCheckpoint.Save(path, Weights, DeitModelMetadata.Write(this));

    /// <summary>Saves the model to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    public void Save(Stream stream) => DeitCheckpoint.Save(stream, Weights, DeitModelMetadata.Write(this));

    /// <summary>The same network with other weights of the same architecture.</summary>
    /// <param name="weights">Not copied.</param>
    /// <exception cref="ArgumentException">The weights are of another architecture.</exception>
    public DeitModel WithWeights(DeitWeights weights) => weights.Config == Config
        ? new DeitModel(weights, ClassNames, Schedule, Merging, Preprocessing)
        : throw new ArgumentException($"The weights are of another architecture: {weights.Config} instead of {Config}.", nameof(weights));

    /// <summary>The same model with another schedule. The weights are shared, not copied.</summary>
    /// <param name="schedule">Where tokens merge.</param>
    /// <param name="merging">How they merge; as before unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network.</exception>
    public DeitModel WithSchedule(DeitMergeSchedule schedule, DeitMergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return new(Weights, ClassNames, schedule, merging ?? Merging, Preprocessing);
    }

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public DeitModel WithHead(IReadOnlyList<string> classNames, ulong seed) => WithHead(classNames, seed, out _);

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <param name="report">Which classes were kept and which are new.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public DeitModel WithHead(IReadOnlyList<string> classNames, ulong seed, out CheckpointReport report)
    {
        ArgumentNullException.ThrowIfNull(classNames);
        if (classNames.Count == 0) throw new ArgumentException("There are no class names; a head needs at least one class.", nameof(classNames));
        ClassNameList.Check(classNames, classNames.Count, nameof(classNames));
        var weights = new DeitWeights(Config with { Classes = classNames.Count });
        CheckpointFit.CopyEqualShapes(Weights, weights);
        DeitInitializer.FillHead(weights, seed);
        var (from, to) = (Weights.Parameters.Head, weights.Parameters.Head);
        report = CheckpointFit.KeepRows(Weights, (from.Weight, from.Bias), ClassNames, weights, (to.Weight, to.Bias), classNames);
        return new(weights, classNames, Schedule, Merging, Preprocessing);
    }

    /// <summary>
    /// A copy for another image size: the position table is interpolated (bicubic; the class token's row stays). Each merge removes as many tokens as before.
    /// </summary>
    /// <param name="height">Input height in pixels.</param>
    /// <param name="width">Input width in pixels.</param>
    /// <exception cref="ArgumentException">The image would be smaller than a patch, or too large.</exception>
    public DeitModel WithImageSize(int height, int width)
    {
        var config = (Config with { ImageHeight = height, ImageWidth = width }).Validate();
        var weights = new DeitWeights(config);
        CheckpointFit.CopyEqualShapes(Weights, weights);
        if ((Config.GridHeight, Config.GridWidth) != (config.GridHeight, config.GridWidth))
            PositionTable.Resize(Weights[Weights.Parameters.Positions], Config.Geometry, weights[weights.Parameters.Positions], config.Geometry);
        var preprocessing = Preprocessing with { ImageHeight = height, ImageWidth = width };
        return new(weights, ClassNames, DeitMergeSchedule.Custom(config, Schedule.RemovedPerBlock), Merging, preprocessing);
    }

    internal override ClassifierNetwork CreateNetwork(DeviceWeights weights) => new DeitNetwork(weights, Schedule, Merging);

    internal override ClassifierModel WithValues(NetworkWeights weights) => WithWeights((DeitWeights)weights);

    internal override ClassifierModel WithoutMerges() => WithSchedule(DeitMergeSchedule.Dense(Config));

    private static DeitModel Load(ICheckpointSource source)
    {
        DeitModelMetadata.CheckVersion(source);
        try
        {
            var config = DeitModelMetadata.ReadConfig(source);
            var weights = LoadWeights(source, config);
            var classNames = VimModelMetadata.ReadClassNames(source) ?? throw MetadataFields.Bad(source.Name, "its metadata lack the class names");
            var (schedule, merging) = DeitModelMetadata.ReadMerging(source, config);
            VimModelMetadata.CheckHash(source, weights);
            return new(weights, classNames, schedule, merging, VimModelMetadata.ReadPreprocessing(source));
        }
        catch (Exception e) when (e is ArgumentException or CheckpointMismatchException)
        {
            // A value out of range, or parts that contradict each other: the file's fault, not the caller's.
            throw new CheckpointFormatException($"{source.Name} is not a sound model file: {e.Message}", e);
        }
    }

    /// <summary>Before anything is laid out by the configuration's sizes, they must be those of tensors that are really there.</summary>
    private static DeitWeights LoadWeights(ICheckpointSource source, DeitConfig config)
    {
        long there = source.Tensors.Sum(tensor => tensor.Length);
        if (there < (4.0 + 2 * config.MlpRatio) * config.Width * config.Width * config.Depth + (double)config.Classes * config.Width)
            throw MetadataFields.Bad(source.Name, "the configuration in its metadata contradicts the shapes of its tensors");
        return DeitCheckpoint.Load(source, config);
    }
}

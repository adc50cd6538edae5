using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// A complete DeiT classifier: weights, names of the classes, where and how tokens merge, and how an image becomes input. <see cref="Retraining.Retrainer"/>
/// re-trains it, <see cref="DeitClassifier"/> uses it.
/// </summary>
/// <inheritdoc cref="ClassifierModel" path="/remarks"/>
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
        EvaluationPreprocessing? preprocessing = null) : base(weights, classNames)
    {
        var config = weights.Config;
        Merging = merging ?? DeitMergeOptions.Default;
        Schedule = schedule ?? DeitMergeSchedule.Dense(config);
        Schedule.ThrowIfNotFor(config, nameof(schedule));
        preprocessing ??= new() { ImageHeight = config.ImageHeight, ImageWidth = config.ImageWidth };
        Preprocessing = Agreeing(preprocessing, config.ImageHeight, config.ImageWidth);
    }

    /// <summary>The architecture.</summary>
    public DeitConfig Config => Weights.Config;

    /// <inheritdoc/>
    public override DeitWeights Weights => (DeitWeights)base.Weights;

    /// <summary>How many tokens each block removes.</summary>
    public DeitMergeSchedule Schedule { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public DeitMergeOptions Merging { get; }

    /// <inheritdoc/>
    public override EvaluationPreprocessing Preprocessing { get; }

    internal override bool IsDense => Schedule.IsDense;

    internal override IReadOnlyList<int> RemovedPerBlock => Schedule.RemovedPerBlock;

    internal override IEnumerable<(string Name, object Settings)> Settings => [("network", Config), ("merging", Merging), ("preprocessing", Preprocessing)];

    /// <summary>Loads a file that <see cref="ClassifierModel.Save(string)"/> wrote, of this or any earlier version.</summary>
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
    /// <param name="stream">What <see cref="ClassifierModel.Save(Stream)"/> wrote.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict, for which <see cref="DeitCheckpoint.Load"/> is, or another kind of
    /// network.</exception>
    public static DeitModel Load(Stream stream, string? name = null)
    {
        using var source = Checkpoint.Open(stream, name: name, leaveOpen: true);
        return Load(source);
    }

    /// <summary>The same network with other weights of the same architecture.</summary>
    /// <param name="weights">Not copied.</param>
    /// <exception cref="ArgumentException">The weights are of another architecture.</exception>
    public DeitModel WithWeights(DeitWeights weights) =>
        new(OfArchitecture(weights, weights.Config, Config), ClassNames, Schedule, Merging, Preprocessing);

    /// <summary>The same model with another schedule. The weights are shared, not copied.</summary>
    /// <param name="schedule">Where tokens merge.</param>
    /// <param name="merging">How they merge; as before unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network.</exception>
    public DeitModel WithSchedule(DeitMergeSchedule schedule, DeitMergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return new(Weights, ClassNames, schedule, merging ?? Merging, Preprocessing);
    }

    /// <inheritdoc/>
    public override DeitModel WithHead(IReadOnlyList<string> classNames, ulong seed) => WithHead(classNames, seed, out _);

    /// <inheritdoc/>
    public override DeitModel WithHead(IReadOnlyList<string> classNames, ulong seed, out CheckpointReport report)
    {
        var weights = new DeitWeights(Config with { Classes = ClassNameList.CheckNew(classNames, nameof(classNames)) });
        report = CheckpointFit.ReplaceHead(Weights, ClassNames, weights, classNames, seed);
        return new(weights, classNames, Schedule, Merging, Preprocessing);
    }

    /// <inheritdoc/>
    public override DeitModel WithImageSize(int height, int width)
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

    private protected override Dictionary<string, string> Metadata() => DeitModelMetadata.Write(this);

    private static DeitModel Load(ICheckpointSource source)
    {
        DeitModelMetadata.CheckVersion(source);
        return ModelFormat.Read(source, static source =>
        {
            var config = DeitModelMetadata.ReadConfig(source);
            CheckAgainstTensors(source, config);
            var classNames = ModelFormat.ReadClassNames(source);
            var (schedule, merging) = DeitModelMetadata.ReadMerging(source, config);
            var preprocessing = ModelFormat.ReadPreprocessing(source);
            var weights = DeitCheckpoint.Load(source, config);
            ModelFormat.CheckHash(source, weights);
            return new DeitModel(weights, classNames, schedule, merging, preprocessing);
        });
    }

    /// <summary>Before anything is laid out by the configuration's sizes, the tensors must have as many values as these need at least.</summary>
    private static void CheckAgainstTensors(ICheckpointSource source, DeitConfig config)
    {
        long there = source.Tensors.Sum(tensor => tensor.Length);
        if (there < (4.0 + 2 * config.MlpRatio) * config.Width * config.Width * config.Depth + (double)config.Classes * config.Width)
            throw ModelFormat.ConfigContradictsTensors(source);
    }
}

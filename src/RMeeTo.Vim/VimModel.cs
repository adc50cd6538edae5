using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// A complete classifier: weights, names of the classes, where and how tokens merge, and how an image becomes input. What is saved, loaded and used.
/// </summary>
/// <inheritdoc cref="ClassifierModel" path="/remarks"/>
public sealed class VimModel : ClassifierModel
{
    /// <summary>Puts a model together.</summary>
    /// <param name="weights">The weights; not copied.</param>
    /// <param name="classNames">A name for each of the <see cref="VimConfig.Classes"/> rows of the head, all different.</param>
    /// <param name="schedule">Where tokens merge; nowhere unless given.</param>
    /// <param name="merging">How they merge; <see cref="MergeOptions.Default"/> unless given.</param>
    /// <param name="preprocessing">
    /// How an image becomes input; the published evaluation's at the network's image size unless given: for clips a crop ratio of 1.
    /// </param>
    /// <exception cref="ArgumentException">The parts do not fit each other.</exception>
    public VimModel(VimWeights weights, IReadOnlyList<string> classNames, MergeSchedule? schedule = null, MergeOptions? merging = null,
        EvaluationPreprocessing? preprocessing = null) : base(weights, classNames)
    {
        var config = weights.Config;
        Merging = merging ?? MergeOptions.Default;
        Schedule = schedule ?? MergeSchedule.Custom(config, new int[config.Depth], Merging);
        Schedule.Check(config, nameof(schedule));
        Merging.Check(Schedule, nameof(schedule));
        preprocessing ??= new() { ImageHeight = config.ImageHeight, ImageWidth = config.ImageWidth, CropRatio = config.IsVideo ? 1 : 0.875 };
        Preprocessing = Agreeing(preprocessing, config.ImageHeight, config.ImageWidth);
    }

    /// <summary>The architecture.</summary>
    public VimConfig Config => Weights.Config;

    /// <inheritdoc/>
    public override VimWeights Weights => (VimWeights)base.Weights;

    /// <summary>How many tokens each block removes.</summary>
    public MergeSchedule Schedule { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public MergeOptions Merging { get; }

    /// <inheritdoc/>
    public override EvaluationPreprocessing Preprocessing { get; }

    internal override bool IsDense => Schedule.IsDense;

    internal override IReadOnlyList<int> RemovedPerBlock => Schedule.RemovedPerBlock;

    internal override IEnumerable<(string Name, object Settings)> Settings => [("network", Config), ("merging", Merging), ("preprocessing", Preprocessing)];

    /// <summary>Loads a file that <see cref="ClassifierModel.Save(string)"/> wrote, of this or any earlier version.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict or a PyTorch checkpoint, for which
    /// <see cref="Checkpoint.Open(string, CheckpointReadOptions?)"/> and <see cref="VimCheckpoint.Load"/> are.</exception>
    public static VimModel Load(string path)
    {
        using var source = Checkpoint.Open(path);
        return Load(source);
    }

    /// <summary>Loads a model from a stream, which stays open: from its position to its end. It need not be able to seek.</summary>
    /// <param name="stream">What <see cref="ClassifierModel.Save(Stream)"/> wrote.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict or a PyTorch checkpoint, for which
    /// <see cref="Checkpoint.Open(string, CheckpointReadOptions?)"/> and <see cref="VimCheckpoint.Load"/> are.</exception>
    public static VimModel Load(Stream stream, string? name = null)
    {
        using var source = Checkpoint.Open(stream, name: name, leaveOpen: true);
        return Load(source);
    }

    /// <summary>The same network with other weights of the same architecture.</summary>
    /// <param name="weights">Not copied.</param>
    /// <exception cref="ArgumentException">The weights are of another architecture.</exception>
    public VimModel WithWeights(VimWeights weights) =>
        new(OfArchitecture(weights, weights.Config, Config), ClassNames, Schedule, Merging, Preprocessing);

    /// <summary>The same model with another schedule. The weights are shared, not copied.</summary>
    /// <param name="schedule">Where tokens merge.</param>
    /// <param name="merging">How they merge; as before unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network or another order.</exception>
    public VimModel WithSchedule(MergeSchedule schedule, MergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return new(Weights, ClassNames, schedule, merging ?? Merging, Preprocessing);
    }

    /// <inheritdoc/>
    public override VimModel WithHead(IReadOnlyList<string> classNames, ulong seed) => WithHead(classNames, seed, out _);

    /// <inheritdoc/>
    public override VimModel WithHead(IReadOnlyList<string> classNames, ulong seed, out CheckpointReport report)
    {
        var weights = new VimWeights(Config with { Classes = ClassNameList.CheckNew(classNames, nameof(classNames)) });
        report = CheckpointFit.ReplaceHead(Weights, ClassNames, weights, classNames, seed);
        return new(weights, classNames, Schedule, Merging, Preprocessing);
    }

    /// <inheritdoc/>
    public override VimModel WithImageSize(int height, int width)
    {
        var config = (Config with { ImageHeight = height, ImageWidth = width }).Validate();
        var weights = CheckpointFit.ResizePositions(Weights, config).Weights;
        var preprocessing = Preprocessing with { ImageHeight = height, ImageWidth = width };
        return new(weights, ClassNames, MergeSchedule.Custom(config, Schedule.RemovedPerBlock, Merging), Merging, preprocessing);
    }

    /// <summary>
    /// A copy for clips of another number of frames: the table of places in time is interpolated (linear). Each merge removes as many tokens as before.
    /// </summary>
    /// <param name="frames">Frames of a clip, a multiple of <see cref="VimConfig.TubeletSize"/>.</param>
    /// <exception cref="InvalidOperationException">This network is for images.</exception>
    /// <exception cref="ArgumentException">There is no frame, or the tubelets do not divide them.</exception>
    public VimModel WithFrames(int frames)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);
        if (!Config.IsVideo)
            throw new InvalidOperationException("This network is for images; load its weights with VimCheckpoint.LoadFitted and a configuration with Frames to "
                + "make one for clips.");
        var config = (Config with { Frames = frames }).Validate();
        var weights = CheckpointFit.ResizePositions(Weights, config).Weights;
        return new(weights, ClassNames, MergeSchedule.Custom(config, Schedule.RemovedPerBlock, Merging), Merging, Preprocessing);
    }

    internal override int InputFrames => Config.Frames;

    internal override ClassifierNetwork CreateNetwork(DeviceWeights weights) => new VimNetwork(weights, Schedule, Merging);

    internal override ClassifierModel WithValues(NetworkWeights weights) => WithWeights((VimWeights)weights);

    internal override ClassifierModel WithoutMerges() => WithSchedule(MergeSchedule.Dense(Config));

    private protected override Dictionary<string, string> Metadata() => VimModelMetadata.Write(this);

    private static VimModel Load(ICheckpointSource source)
    {
        VimModelMetadata.CheckVersion(source);
        return ModelFormat.Read(source, static source =>
        {
            var config = VimModelMetadata.ReadConfig(source);
            CheckAgainstTensors(source, config);
            var classNames = ModelFormat.ReadClassNames(source);
            var (schedule, merging) = VimModelMetadata.ReadMerging(source, config);
            var preprocessing = ModelFormat.ReadPreprocessing(source);
            var weights = VimCheckpoint.Load(source, config);
            ModelFormat.CheckHash(source, weights);
            return new VimModel(weights, classNames, schedule, merging, preprocessing);
        });
    }

    /// <summary>Before anything is laid out by the configuration's sizes, they must be those of tensors that are really there.</summary>
    private static void CheckAgainstTensors(ICheckpointSource source, VimConfig config)
    {
        var (found, patches) = VimConfigInference.InferAllButImage(source);
        long gridHeight = (config.ImageHeight - config.PatchSize) / config.Stride + 1, gridWidth = (config.ImageWidth - config.PatchSize) / config.Stride + 1;
        bool sameSizes = found.Classes == config.Classes && found.Frames == config.Frames && patches == gridHeight * gridWidth;
        if (!sameSizes || !CheckpointComparison.SameArchitecture(found, config)) throw ModelFormat.ConfigContradictsTensors(source);
    }
}

using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// A complete classifier: weights, names of the classes, where and how tokens merge, and how an image becomes input. What is saved, loaded and used.
/// </summary>
/// <remarks>
/// The file is one safetensors file. Its tensors have the official names, so PyTorch loads it as a plain state dict; everything else stands in its metadata.
/// A file of any format version that was ever released can be loaded. The model is immutable but for the values of <see cref="Weights"/>.
/// </remarks>
public sealed class VimModel : ClassifierModel
{
    /// <summary>Puts a model together.</summary>
    /// <param name="weights">The weights; not copied.</param>
    /// <param name="classNames">A name for each of the <see cref="VimConfig.Classes"/> rows of the head, all different.</param>
    /// <param name="schedule">Where tokens merge; nowhere unless given.</param>
    /// <param name="merging">How they merge; <see cref="MergeOptions.Default"/> unless given.</param>
    /// <param name="preprocessing">How an image becomes input; the published evaluation's at the network's image size unless given: for clips a crop ratio of 1.</param>
    /// <exception cref="ArgumentException">The parts do not fit each other.</exception>
    public VimModel(VimWeights weights, IReadOnlyList<string> classNames, MergeSchedule? schedule = null, MergeOptions? merging = null, EvaluationPreprocessing? preprocessing = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(classNames);
        var config = weights.Config;
        ClassNameList.Check(classNames, config.Classes, nameof(classNames));
        Weights = weights;
        ClassNames = [.. classNames];
        Merging = merging ?? MergeOptions.Default;
        Schedule = schedule ?? MergeSchedule.Custom(config, new int[config.Depth], Merging);
        Preprocessing = preprocessing ?? new() { ImageHeight = config.ImageHeight, ImageWidth = config.ImageWidth, CropRatio = config.IsVideo ? 1 : 0.875 };
        Schedule.Check(config, nameof(schedule));
        Merging.Check(Schedule, nameof(schedule));
        if ((Preprocessing.ImageHeight, Preprocessing.ImageWidth) != (config.ImageHeight, config.ImageWidth))
            throw new ArgumentException($"The preprocessing makes images of {Preprocessing.ImageWidth}×{Preprocessing.ImageHeight} pixels and the network takes {config.ImageWidth}×{config.ImageHeight}; they must be equal.", nameof(preprocessing));
    }

    /// <summary>The architecture.</summary>
    public VimConfig Config => Weights.Config;

    /// <inheritdoc/>
    public override VimWeights Weights { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames { get; }

    /// <summary>How many tokens each block removes.</summary>
    public MergeSchedule Schedule { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public MergeOptions Merging { get; }

    /// <inheritdoc/>
    public override EvaluationPreprocessing Preprocessing { get; }

    internal override bool IsDense => Schedule.IsDense;

    internal override IReadOnlyList<int> RemovedPerBlock => Schedule.RemovedPerBlock;

    internal override IEnumerable<(string Name, object Settings)> Settings => [("network", Config), ("merging", Merging), ("preprocessing", Preprocessing)];

    /// <summary>Loads a file that <see cref="Save(string)"/> wrote, of this or any earlier version.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict or a PyTorch checkpoint; <see cref="Checkpoint.Open(string, CheckpointReadOptions?)"/> and <see cref="VimCheckpoint.Load"/> are for these.</exception>
    public static VimModel Load(string path)
    {
        using var source = Checkpoint.Open(path);
        return Load(source);
    }

    /// <summary>Loads a model from a stream, which stays open: from its position to its end. It need not be able to seek.</summary>
    /// <param name="stream">What <see cref="Save(Stream)"/> wrote.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, contradicts itself, or was written by a newer version.</exception>
    /// <exception cref="CheckpointMismatchException">The file is a plain state dict or a PyTorch checkpoint; <see cref="Checkpoint.Open(string, CheckpointReadOptions?)"/> and <see cref="VimCheckpoint.Load"/> are for these.</exception>
    public static VimModel Load(Stream stream, string? name = null)
    {
        using var source = Checkpoint.Open(stream, name: name, leaveOpen: true);
        return Load(source);
    }

    /// <summary>Saves the model in one file, which is replaced whole or not at all.</summary>
    /// <param name="path">The file to make or to replace; the usual extension is <c>.safetensors</c>.</param>
    /// <exception cref="IOException">The file cannot be written; an old file is as it was.</exception>
    public void Save(string path) => VimCheckpoint.Save(path, Weights, VimModelMetadata.Write(this));

    /// <summary>Saves the model to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    public void Save(Stream stream) => VimCheckpoint.Save(stream, Weights, VimModelMetadata.Write(this));

    /// <summary>The same network with other weights of the same architecture.</summary>
    /// <param name="weights">Not copied.</param>
    /// <exception cref="ArgumentException">The weights are of another architecture.</exception>
    public VimModel WithWeights(VimWeights weights) => weights.Config == Config
        ? new VimModel(weights, ClassNames, Schedule, Merging, Preprocessing)
        : throw new ArgumentException($"The weights are of another architecture: {weights.Config} instead of {Config}.", nameof(weights));

    /// <summary>The same model with another schedule. The weights are shared, not copied.</summary>
    /// <param name="schedule">Where tokens merge.</param>
    /// <param name="merging">How they merge; as before unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network or another order.</exception>
    public VimModel WithSchedule(MergeSchedule schedule, MergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return new(Weights, ClassNames, schedule, merging ?? Merging, Preprocessing);
    }

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public VimModel WithHead(IReadOnlyList<string> classNames, ulong seed) => WithHead(classNames, seed, out _);

    /// <summary>A copy for other classes: rows of the head go by class name; those of new classes are normal(0, 0.02), their bias 0.</summary>
    /// <param name="classNames">Names of the classes wanted, all different.</param>
    /// <param name="seed">Seed of the new rows.</param>
    /// <param name="report">Which classes were kept and which are new.</param>
    /// <exception cref="ArgumentException">There is no name, or one occurs twice.</exception>
    public VimModel WithHead(IReadOnlyList<string> classNames, ulong seed, out CheckpointReport report)
    {
        ArgumentNullException.ThrowIfNull(classNames);
        if (classNames.Count == 0) throw new ArgumentException("There are no class names; a head needs at least one class.", nameof(classNames));
        ClassNameList.Check(classNames, classNames.Count, nameof(classNames));
        (var weights, report) = CheckpointFit.ReplaceHead(Weights, ClassNames, classNames, seed);
        return new(weights, classNames, Schedule, Merging, Preprocessing);
    }

    /// <summary>A copy for another image size: the position table is interpolated (bicubic, around the class token's row). Each merge removes as many tokens as before.</summary>
    /// <param name="height">Input height in pixels.</param>
    /// <param name="width">Input width in pixels.</param>
    /// <remarks>The published networks keep most of their accuracy at moderately larger sizes; a few epochs of re-training recover the rest.</remarks>
    /// <exception cref="ArgumentException">The image would be smaller than a patch, or too large.</exception>
    public VimModel WithImageSize(int height, int width)
    {
        var config = (Config with { ImageHeight = height, ImageWidth = width }).Validate();
        var weights = CheckpointFit.ResizePositions(Weights, config).Weights;
        return new(weights, ClassNames, MergeSchedule.Custom(config, Schedule.RemovedPerBlock, Merging), Merging, Preprocessing with { ImageHeight = height, ImageWidth = width });
    }

    /// <summary>A copy for clips of another number of frames: the table of places in time is interpolated (linear). Each merge removes as many tokens as before.</summary>
    /// <param name="frames">Frames of a clip, a multiple of <see cref="VimConfig.TubeletSize"/>.</param>
    /// <exception cref="InvalidOperationException">This network is for images.</exception>
    /// <exception cref="ArgumentException">There is no frame, or the tubelets do not divide them.</exception>
    public VimModel WithFrames(int frames)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);
        if (!Config.IsVideo) throw new InvalidOperationException("This network is for images; load its weights with VimCheckpoint.LoadFitted and a configuration with Frames to make one for clips.");
        var config = (Config with { Frames = frames }).Validate();
        var weights = CheckpointFit.ResizePositions(Weights, config).Weights;
        return new(weights, ClassNames, MergeSchedule.Custom(config, Schedule.RemovedPerBlock, Merging), Merging, Preprocessing);
    }

    internal override int InputFrames => Config.Frames;

    internal override ClassifierNetwork CreateNetwork(DeviceWeights weights) => new VimNetwork(weights, Schedule, Merging);

    internal override ClassifierModel WithValues(NetworkWeights weights) => WithWeights((VimWeights)weights);

    internal override ClassifierModel WithoutMerges() => WithSchedule(MergeSchedule.Dense(Config));

    private static VimModel Load(ICheckpointSource source)
    {
        VimModelMetadata.CheckVersion(source);
        try
        {
            var config = VimModelMetadata.ReadConfig(source);
            CheckAgainstTensors(source, config);
            var classNames = VimModelMetadata.ReadClassNames(source) ?? throw MetadataFields.Bad(source.Name, "its metadata lack the class names");
            var (schedule, merging) = VimModelMetadata.ReadMerging(source, config);
            var preprocessing = VimModelMetadata.ReadPreprocessing(source);
            var weights = VimCheckpoint.Load(source, config);
            VimModelMetadata.CheckHash(source, weights);
            return new(weights, classNames, schedule, merging, preprocessing);
        }
        catch (Exception e) when (e is ArgumentException or CheckpointMismatchException)
        {
            // A value out of range, or parts that contradict each other: the file's fault, not the caller's.
            throw new CheckpointFormatException($"{source.Name} is not a sound model file: {e.Message}", e);
        }
    }

    /// <summary>Before anything is laid out by the configuration's sizes, they must be those of tensors that are really there.</summary>
    private static void CheckAgainstTensors(ICheckpointSource source, VimConfig config)
    {
        var (found, patches) = VimConfigInference.InferAllButImage(source);
        long gridHeight = (config.ImageHeight - config.PatchSize) / config.Stride + 1, gridWidth = (config.ImageWidth - config.PatchSize) / config.Stride + 1;
        if (!CheckpointComparison.SameArchitecture(found, config) || found.Classes != config.Classes || found.Frames != config.Frames || patches != gridHeight * gridWidth)
            throw MetadataFields.Bad(source.Name, "the configuration in its metadata contradicts the shapes of its tensors");
    }
}

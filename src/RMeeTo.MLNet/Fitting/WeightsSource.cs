using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.MLNet;

/// <summary>The network before re-training, and how it came about.</summary>
/// <param name="Model">Fitted to the classes, with its merge schedule.</param>
/// <param name="NewClasses">Classes whose rows of the head are random; all of them when training from scratch.</param>
/// <param name="ClassesByIndex">True where the checkpoint has no class names, so that its classes were taken in their order.</param>
internal sealed record StartModel(VimModel Model, IReadOnlyList<string> NewClasses, bool ClassesByIndex);

/// <summary>Where weights come from. Whatever can be wrong with them is found before a single image is read.</summary>
internal sealed class WeightsSource
{
    private static readonly (string Name, VimConfig Config)[] s_videoMambas =
    [
        (nameof(VimConfig.VideoMambaTiny), VimConfig.VideoMambaTiny), (nameof(VimConfig.VideoMambaSmall), VimConfig.VideoMambaSmall),
        (nameof(VimConfig.VideoMambaMiddle), VimConfig.VideoMambaMiddle), (nameof(VimConfig.VideoMambaBase), VimConfig.VideoMambaBase),
    ];

    private readonly VimMergedClassifierOptions _options;
    private readonly byte[]? _stream;
    private readonly VimModel? _model;

    private WeightsSource(VimMergedClassifierOptions options, byte[]? stream, VimModel? model, VimConfig config) =>
        (_options, _stream, _model, Config) = (options, stream, model, config);

    /// <summary>The network, whose classes are still those of the source.</summary>
    public VimConfig Config { get; }

    /// <summary>Names of the source's classes, or null.</summary>
    public IReadOnlyList<string>? ClassNames => _model?.ClassNames;

    /// <summary>How images become input.</summary>
    public EvaluationPreprocessing Preprocessing
    {
        get
        {
            // As VimModel's own default: published clips are resized to the crop.
            var preprocessing = (_model?.Preprocessing ?? new() { CropRatio = Config.IsVideo ? 1 : 0.875 })
                with { ImageHeight = Config.ImageHeight, ImageWidth = Config.ImageWidth };
            if (_options.CropRatio is { } ratio) preprocessing = preprocessing with { CropRatio = ratio };
            return _options.Normalization is { } normalization ? preprocessing with { Normalization = normalization } : preprocessing;
        }
    }

    /// <summary>Merges, for any number of classes.</summary>
    /// <exception cref="ArgumentException">The schedule does not fit the network.</exception>
    public (MergeSchedule Schedule, MergeOptions Merging) Merges()
    {
        var merging = _options.Merging ?? _model?.Merging ?? MergeOptions.Default;
        if (_options.Target is not null) return (MergeSchedule.Dense(Config), merging); // to be found
        if (_options.Schedule is { } given)
        {
            if (given.RemovedPerBlock.Count != Config.Depth)
                throw new ArgumentException($"The merge schedule is for {given.RemovedPerBlock.Count} blocks and the network has {Config.Depth}; make it "
                    + "with the network's VimConfig.");
            return (MergeSchedule.Custom(Config, given.RemovedPerBlock, merging), merging);
        }
        if (_options.TokensPerMerge is { } tokens) return (MergeSchedule.Uniform(Config, tokens, merging: merging), merging);
        return (_model is null ? MergeSchedule.Dense(Config) : MergeSchedule.Custom(Config, _model.Schedule.RemovedPerBlock, merging), merging);
    }

    /// <summary>
    /// The previous model as a teacher: with its own merges, and of its classes those that the network has. Null where there is no previous model, or where it
    /// knows fewer than two of them.
    /// </summary>
    public VimModel? Teacher(StartModel start)
    {
        if (_options.PreviousClassifier is not { Model: var previous }) return null;
        var model = start.Model.WithSchedule(MergeSchedule.Custom(start.Model.Config, previous.Schedule.RemovedPerBlock, previous.Merging), previous.Merging);
        if (start.NewClasses.Count == 0) return model;
        string[] known = [.. start.Model.ClassNames.Except(start.NewClasses)];
        return known.Length >= 2 ? model.WithHead(known, _options.Retraining.Seed) : null;
    }

    /// <summary>Opens the source and checks it.</summary>
    /// <param name="options">Which source.</param>
    /// <param name="stream">What was read from <see cref="VimMergedClassifierOptions.CheckpointStream"/>.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged or of another format.</exception>
    /// <exception cref="CheckpointMismatchException">
    /// The file is for another network than the configuration says, or holds no weights of the kind that is asked for.
    /// </exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static WeightsSource Open(VimMergedClassifierOptions options, byte[]? stream)
    {
        if (options.FromScratch) return new(options, stream, null, options.Config ?? VimConfig.VimTiny);
        if ((options.Model ?? options.PreviousClassifier?.Model) is { } model)
            return new(options, stream, model, ConfigAgreement.Of(options.Config, model.Config));
        using var reader = OpenReader(options, stream);
        if (!reader.Metadata.ContainsKey(VimModelMetadata.FormatKey))
            return new(options, stream, null, options.Config is { } wanted ? Checked(wanted, reader) : VimCheckpoint.InferConfig(reader));
        var loaded = options.Checkpoint is { } path ? VimModel.Load(path) : VimModel.Load(new MemoryStream(stream!, writable: false));
        return new(options, stream, loaded, ConfigAgreement.Of(options.Config, loaded.Config));
    }

    /// <summary>
    /// Makes the network for these classes: rows of the head go by name where names are known, by index where they are not and the count is equal.
    /// </summary>
    public StartModel Build(IReadOnlyList<string> classNames, IChannel channel)
    {
        var config = Config with { Classes = classNames.Count };
        var (schedule, merging) = Merges();
        ulong seed = _options.Retraining.Seed;
        if (_options.FromScratch)
        {
            channel.Say("Random weights.");
            return new(new VimModel(VimInitializer.Create(config, seed), classNames, schedule, merging, Preprocessing), classNames, false);
        }
        var fitted = _model is not null ? FitModel(config, classNames, seed) : FitCheckpoint(config, classNames, seed);
        foreach (string line in fitted.Report.Lines) channel.SayNames(line);
        if (Assumption() is { } assumed) channel.Say(assumed);
        bool byIndex = _model is null && !fitted.Report.HeadReplaced;
        return new(new VimModel(fitted.Weights, classNames, schedule, merging, Preprocessing), fitted.Report.NewClasses, byIndex);
    }

    /// <summary>
    /// What was taken for granted of a file that names and shapes do not tell: the files of a Vim and of a VideoMamba for images look alike, and the wrong one
    /// of them loads without an error and answers nonsense. Null where nothing was.
    /// </summary>
    private string? Assumption()
    {
        if (_model is not null || _options.Config is not null || Config.ClassToken != ClassTokenPosition.Middle) return null;
        string other = s_videoMambas.FirstOrDefault(preset => CheckpointComparison.SameArchitecture(Config, preset.Config)).Name is { } name
            ? $"Config = VimConfig.{name}"
            : "a Config with ClassToken = ClassTokenPosition.First and AverageDirections = false";
        return "The network is taken for a Vim: its class token in the middle, its two directions averaged. A VideoMamba for images has the same names and "
            + $"shapes, so the file does not tell; if it is one, pass {other}.";
    }

    private FittedWeights FitCheckpoint(VimConfig config, IReadOnlyList<string> classNames, ulong seed)
    {
        using var reader = OpenReader(_options, _stream);
        return VimCheckpoint.LoadFitted(reader, config, classNames, seed: seed);
    }

    private FittedWeights FitModel(VimConfig config, IReadOnlyList<string> classNames, ulong seed)
    {
        var model = _model!;
        var report = new CheckpointReport { Lines = [$"Head kept: {classNames.Count} classes."] };
        if (!model.ClassNames.SequenceEqual(classNames)) model = model.WithHead(classNames, seed, out report);
        if ((model.Config.ImageHeight, model.Config.ImageWidth) != (config.ImageHeight, config.ImageWidth))
            model = model.WithImageSize(config.ImageHeight, config.ImageWidth);
        if (config.IsVideo && !model.Config.IsVideo)
        {
            var inflated = CheckpointFit.Inflate(model.Weights, config, PatchInflation.Center);
            return inflated with { Report = report.Then(inflated.Report) };
        }
        if (model.Config.Frames != config.Frames) model = model.WithFrames(config.Frames);
        // The caller's weights are not shared: training starts from a copy, merging alone would not.
        return new(ReferenceEquals(model.Weights, _model!.Weights) ? model.Weights.Clone() : model.Weights, report);
    }

    private static ICheckpointSource OpenReader(VimMergedClassifierOptions options, byte[]? stream)
    {
        if (options.Checkpoint is not { } path)
            return Checkpoint.Open(new MemoryStream(stream!, writable: false), options.CheckpointReading, "The checkpoint stream");
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no checkpoint '{path}' (looked for '{Path.GetFullPath(path)}'). Weights are never downloaded: pass "
                + "the path of a file that is there.", path);
        return Checkpoint.Open(path, options.CheckpointReading);
    }

    /// <summary>The configuration that the user says a checkpoint has, once that is true but for classes and image size.</summary>
    private static VimConfig Checked(VimConfig wanted, ICheckpointSource reader)
    {
        var (found, _) = VimConfigInference.InferAllButImage(reader);
        if (!CheckpointComparison.SameArchitecture(found, AsFound(wanted, found)))
            VimCheckpoint.Load(reader, wanted with { Classes = found.Classes }); // throws, with everything that differs
        return wanted;
    }

    /// <summary>Weights for images can be made weights for clips, so a difference in that does not count.</summary>
    private static VimConfig AsFound(VimConfig wanted, VimConfig found) =>
        wanted.IsVideo && !found.IsVideo ? wanted with { Frames = 0, TubeletSize = 1 } : wanted;
}

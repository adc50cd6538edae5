using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>
/// Merges similar tokens inside a Vision Mamba image classifier, re-trains it with the rows it is fitted to, and yields a transformer that adds class
/// probabilities and the most probable class. Made by <see cref="VimCatalog"/>.
/// </summary>
/// <remarks>
/// <list type="table">
/// <listheader><term>Column</term><description>Type</description></listheader>
/// <item><term>image (in)</term><description><c>MLImage</c>, or encoded bytes <c>Vector&lt;Byte&gt;</c>, or paths <c>Text</c> (relative ones from the current
/// directory); any size</description></item>
/// <item><term>clip (in, networks for video)</term><description>folder of the frames <c>Text</c>, or their paths <c>Vector&lt;Text&gt;</c>, or one image column
/// a frame</description></item>
/// <item><term>label (in)</term><description>
/// a key: class k is key k + 1, and key values are kept; a text or a number: classes in order of appearance. Rows without a label are left out and counted in
/// the log.
/// <c>Evaluate</c> needs a key: put <c>Conversion.MapValueToKey</c> before this stage.</description></item>
/// <item><term>score (out)</term><description><c>Vector&lt;Single, classes&gt;</c>: softmax probabilities, with slot names</description></item>
/// <item><term>predicted label (out)</term><description>key 1 … classes with the label's key values</description></item>
/// <item><term>features (out)</term><description><c>Vector&lt;Single, width&gt;</c>, where <see cref="VimMergedClassifierOptions.FeaturesColumnName"/> is
/// set</description></item>
/// <item><term>top labels, top probabilities (out)</term><description>vectors of k label values and of <c>Single</c>, where
/// <see cref="VimMergedClassifierOptions.TopK"/> is set</description></item>
/// </list>
/// With 0 epochs no image is read, unless a schedule is to be found (<see cref="VimMergedClassifierOptions.Target"/>); the rows only say which classes there
/// are.
/// Classes of the checkpoint are matched by name, never by index, where it carries names. Where the classes are others, rows of the head are kept for the known
/// ones and new for the rest, and the log says which. Distillation from the un-merged network takes place only where its head knows all classes.
/// The result is a function of the rows, the options and <see cref="RetrainOptions.Seed"/>, bit for bit, whatever the number of threads; the seed of the
/// MLContext has no part in it.
/// The orientation tag of photographs (EXIF) is not applied, neither here nor in the transformer, as <c>MLImage</c> does not apply it: rotate such images
/// beforehand.
/// Progress goes to <c>MLContext.Log</c> (source "VimMergedClassifier; Fit") and to <see cref="VimMergedClassifierOptions.Progress"/>.
/// </remarks>
public sealed class VimMergedClassifierEstimator : IEstimator<VimMergedClassifierTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly VimMergedClassifierOptions _options;
    private readonly byte[]? _checkpointBytes;

    internal VimMergedClassifierEstimator(IHostEnvironment environment, VimMergedClassifierOptions options)
    {
        _environment = environment;
        _options = options.Clone();
        _options.Validate();
        if (_options.CheckpointStream is not { } stream) return;
        using var copy = new MemoryStream(); // cross-validation fits more than once
        stream.CopyTo(copy);
        _checkpointBytes = copy.ToArray();
    }

    private RetrainOptions Recipe => _options.Retraining with
    {
        Epochs = _options.Epochs ?? _options.Retraining.Epochs,
        Threads = _options.Threads ?? _options.Retraining.Threads,
    };

    /// <summary>The input's columns, and those that the stage adds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image or label column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SampleColumns.Check(inputSchema, _options.Columns);
        LabelReader.Check(inputSchema, _options.LabelColumnName);
        return OutputColumns.Shape(_options.Columns, inputSchema);
    }

    /// <summary>
    /// Reads the rows once, merges, re-trains, and returns the network that was best on the validation rows (the latest, where there are none).
    /// </summary>
    /// <param name="input">Rows with image and label.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image or label column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are too few rows or classes, no GPU, or with 0 epochs classes that the checkpoint does not know.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">
    /// The network alone takes more memory than there is, or than <see cref="VimMergedClassifierOptions.MemoryBudget"/> allows.
    /// </exception>
    /// <exception cref="UnreadableImageException">An image cannot be read, and the policy is to throw.</exception>
    /// <exception cref="RMeeTo.Vim.Checkpoints.CheckpointFormatException">The checkpoint is damaged or of another format.</exception>
    /// <exception cref="RMeeTo.Vim.Checkpoints.CheckpointMismatchException">
    /// The checkpoint is for another network than <see cref="VimMergedClassifierOptions.Config"/> says.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer a number.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before training began. Later, the best weights so far are returned.</exception>
    public VimMergedClassifierTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        LabelReader.Find(input.Schema, _options.LabelColumnName);
        using var channel = StageLog.Open(_environment, "Fit");
        using var cancellation = new FitCancellation(_environment, _options.CancellationToken);
        var weights = WeightsSource.Open(_options, _checkpointBytes);
        SampleColumns.Find(input.Schema, _options.Columns, weights.Config.IsVideo);
        if (!weights.Config.IsVideo && _options.ImageNameColumnName is { } nameColumn) ImageColumn.CheckName(input.Schema, nameColumn);
        if (!weights.Config.IsVideo && _options.Views.Count > 1)
            throw new ArgumentException($"Views is {_options.Views.Times} × {_options.Views.Crops} and the network takes single images; leave Views as it "
                + "is, or use a network for video (VimConfig.Frames).");
        var (schedule, merging) = weights.Merges();
        channel.Say(_options.Target is { } wanted ? $"Merge schedule: to be found, {wanted}." : $"Merge schedule: {schedule}.");
        WarnOfNoMerges(schedule, merging, channel);
        if (Recipe.Epochs == 0 && _options.Target is null) return MergeOnly(input, weights, channel, cancellation);
        var device = _options.Retraining.Device
            ?? DeviceChoice.Resolve(_environment, _options.GpuDeviceId, _options.FallbackToCpu, channel)
            ?? CpuDeviceProvider.Instance;
        channel.Say($"Device: {device.Name}, {device.Workers(Recipe.Threads)} threads.");
        long forImages = FitMemory.ForImages(weights.Config, schedule, merging, Recipe with { Device = device }, _options.MemoryBudget);
        int readers = Recipe.Threads > 0 ? Recipe.Threads : Environment.ProcessorCount;
        var images = new ImageStoreOptions
        {
            ShorterEdge = weights.Preprocessing.ShorterEdge,
            MemoryBudget = forImages,
            TemporaryFolder = MlNetInternals.TemporaryFolder(_environment),
        };
        using var rows = TrainingRows.Read(input, _options, weights.Config, images, readers, channel, cancellation);
        var start = weights.Build(rows.Classes.Names, channel);
        WarnOfClassesByIndex(start, channel);
        if (_options.Target is { } target)
        {
            start = ScheduleFinder.Apply(start, rows.Training, target, _options, Recipe.Threads, channel, cancellation.Token);
            weights.Found = start.Model.Schedule;
        }
        if (Recipe.Epochs == 0) return MergeOnly(input, weights, channel, cancellation);
        var result = Retrain(start, rows, device, channel, cancellation);
        return Transformer(result.Model, rows.Classes, result, channel);
    }

    private VimMergedClassifierTransformer MergeOnly(IDataView input, WeightsSource weights, IChannel channel, FitCancellation cancellation)
    {
        var classes = TrainingRows.ReadClasses(input, _options, cancellation);
        // Texts are those that happen to occur; classes that the network knows beside them must not be lost. A key says itself what there is.
        bool isKey = input.Schema[_options.LabelColumnName].Type is KeyDataViewType;
        if (!isKey && classes.ValueType is TextDataViewType && weights.ClassNames is { } known && classes.Names.All(new HashSet<string>(known).Contains))
            classes = LabelClasses.OfNames(known);
        var start = weights.Build(classes.Names, channel);
        if (start.NewClasses.Count > 0)
            throw new InvalidOperationException($"Epochs is 0, and the checkpoint does not know {start.NewClasses.Count} of the "
                + $"{start.Model.ClassNames.Count} classes of column '{_options.LabelColumnName}' "
                + $"({string.Join(", ", start.NewClasses.Take(5).Select(name => $"'{name}'"))}{(start.NewClasses.Count > 5 ? ", …" : "")}): their scores "
                + "would be random. Re-train with 1 epoch or more, or use labels with the names of the checkpoint's classes.");
        WarnOfClassesByIndex(start, channel);
        return Transformer(start.Model, classes, null, channel);
    }

    private RetrainResult<VimModel> Retrain(StartModel start, TrainingRows rows, IVimDeviceProvider device, IChannel channel, FitCancellation cancellation)
    {
        var recipe = Recipe with
        {
            Device = device,
            Progress = new FitProgress(channel, cancellation, _options.Progress ?? Recipe.Progress),
            TeacherLossWeight = TeacherWeight(start, channel),
        };
        if (recipe.TeacherLossWeight == 0 && recipe.TargetLossWeight == 0)
            throw new InvalidOperationException("TargetLossWeight is 0 and there is no teacher to distil from, so there is nothing to learn; set "
                + "TargetLossWeight above 0.");
        var result = Retrainer.Run(start.Model, rows.Training, rows.Validation, recipe, cancellation: cancellation.Token);
        string best = result.BestTop1 is { } top1 ? $", validation top-1 {result.StartTop1:P1} before and {top1:P1} after" : "";
        channel.Say($"Best epoch {result.BestEpoch} of {result.Epochs.Count}{best}; {result.Duration:h\\:mm\\:ss}.");
        if (result.Cancelled) channel.Warning(MessageSensitivity.None, $"Cancelled; the best weights so far are kept (epoch {result.BestEpoch}).");
        return result;
    }

    /// <summary>Distillation needs a network that differs from the student, and whose head knows the classes.</summary>
    private double TeacherWeight(StartModel start, IChannel channel)
    {
        double wanted = Recipe.TeacherLossWeight;
        if (wanted == 0) return 0;
        string? why = _options.FromScratch ? "the weights are random"
            : start.NewClasses.Count > 0 ? $"the checkpoint does not know {start.NewClasses.Count} of the {start.Model.ClassNames.Count} classes"
            : start.Model.Schedule.IsDense ? "nothing is merged" : null;
        if (why is null) return wanted;
        channel.Say($"No distillation: {why}.");
        return 0;
    }

    private void WarnOfNoMerges(MergeSchedule schedule, MergeOptions merging, IChannel channel)
    {
        int wanted = schedule.RemovedPerBlock.Max();
        if (wanted == 0 && _options.Schedule is null) wanted = _options.TokensPerMerge ?? 0; // too few blocks for a merge at all
        if (schedule.IsDense && wanted > 0 && _options.Target is null)
            channel.Warning(MessageSensitivity.None, $"Nothing is merged, though up to {wanted} tokens a merge were asked for: {schedule.InputTokens} tokens, "
                + $"{schedule.RemovedPerBlock.Count} blocks and {merging.ProtectedNeighbours} protected neighbours leave none that can go.");
    }

    private static void WarnOfClassesByIndex(StartModel start, IChannel channel)
    {
        if (start.ClassesByIndex)
            channel.Warning(MessageSensitivity.None, $"The checkpoint carries no class names; its {start.Model.ClassNames.Count} classes are taken in the "
                + "order of the label's. Check that this is right.");
    }

    private VimMergedClassifierTransformer Transformer(VimModel model, LabelClasses classes, RetrainResult<VimModel>? result, IChannel channel)
    {
        int count = classes.Names.Count;
        if (_options.TopK > count) channel.Say($"TopK is {_options.TopK} and there are {count} classes: the columns of the top classes have {count} slots.");
        var scoring = new ScoringOptions(_options.UnreadableImages, Recipe.Threads, _options.BatchSize, _options.GpuDeviceId, _options.FallbackToCpu)
        {
            Views = _options.Views,
        };
        return new(_environment, model, _options.Columns, classes, scoring, result);
    }
}

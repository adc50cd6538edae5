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

/// <summary>One call of <c>Fit</c>: weights, rows, schedule, training, transformer.</summary>
/// <param name="environment">Device, log and temporary folder.</param>
/// <param name="options">What to do.</param>
/// <param name="checkpoint">What was read from <see cref="VimMergedClassifierOptions.CheckpointStream"/>.</param>
/// <param name="channel">The log.</param>
/// <param name="cancellation">Looked at between batches.</param>
internal sealed class FitRun(
    IHostEnvironment environment, VimMergedClassifierOptions options, byte[]? checkpoint, IChannel channel, FitCancellation cancellation)
{
    private readonly RetrainOptions _recipe = options.Recipe;

    /// <summary>Does it.</summary>
    /// <param name="input">Rows with image and label.</param>
    /// <inheritdoc cref="VimMergedClassifierEstimator.Fit(IDataView)" path="/exception"/>
    public VimMergedClassifierTransformer Execute(IDataView input)
    {
        var weights = WeightsSource.Open(options, checkpoint);
        CheckColumns(input.Schema, weights.Config);
        var (schedule, merging) = weights.Merges();
        SaySchedule(schedule, merging);
        var kept = KeptClasses(input.Schema, weights);
        if (_recipe.Epochs == 0 && options.Target is null)
        {
            var classes = TrainingRows.ReadClasses(input, options, kept, cancellation);
            return Merged(Start(weights, classes), classes);
        }
        if (options.Retraining.Device is { } own) return Trained(input, weights, kept, schedule, merging, own);
        var gpu = DeviceChoice.Resolve(environment, options.Gpu, channel);
        try
        {
            return Trained(input, weights, kept, schedule, merging, gpu ?? CpuDeviceProvider.Instance);
        }
        finally
        {
            DeviceChoice.Return(gpu);
        }
    }

    /// <summary>Reads the rows and trains on a device; or finds a schedule there, or both.</summary>
    private VimMergedClassifierTransformer Trained(
        IDataView input, WeightsSource weights, LabelClasses? kept, MergeSchedule schedule, MergeOptions merging, IVimDeviceProvider device)
    {
        channel.Say(DeviceChoice.Describe(device, _recipe.Threads));
        bool ownTeacher = options.Target is not null || options.Previous is not null;
        long forImages = FitMemory.ForImages(weights.Config, schedule, merging, _recipe with { Device = device }, ownTeacher, options.MemoryBudget);
        using var rows = Read(input, kept, weights, forImages);
        var start = Start(weights, rows.Classes);
        if (options.Target is { } target)
            start = ScheduleFinder.Apply(start, rows, target, options, _recipe.Threads, device, channel, cancellation.Token);
        if (_recipe.Epochs == 0) return Merged(start, rows.Classes);
        var result = Retrain(start, weights.Teacher(start), rows, device);
        return Transformer(result.Model, rows.Classes, result);
    }

    private void CheckColumns(DataViewSchema schema, VimConfig config)
    {
        SampleColumns.Find(schema, options.Columns, config.IsVideo);
        if (!config.IsVideo && options.ImageNameColumnName is { } nameColumn) ImageColumn.CheckName(schema, nameColumn);
        if (!config.IsVideo && options.Views.Count > 1)
            throw new ArgumentException($"Views is {options.Views.Times} × {options.Views.Crops} and the network takes single images; leave Views as it "
                + "is, or use a network for video (VimConfig.Frames).");
    }

    private void SaySchedule(MergeSchedule schedule, MergeOptions merging)
    {
        channel.Say(options.Target is { } wanted ? $"Merge schedule: to be found, {wanted}." : $"Merge schedule: {schedule}.");
        if (options.PreviousClassifier is { Schedule: var before } && !before.RemovedPerBlock.SequenceEqual(schedule.RemovedPerBlock))
            channel.Say($"The previous model's was: {before}.");
        int asked = schedule.RemovedPerBlock.Max();
        if (asked == 0 && options.Schedule is null) asked = options.TokensPerMerge ?? 0; // too few blocks for a merge at all
        if (schedule.IsDense && asked > 0 && options.Target is null)
            channel.Warning(MessageSensitivity.None, $"Nothing is merged, though up to {asked} tokens a merge were asked for: {schedule.InputTokens} tokens, "
                + $"{schedule.RemovedPerBlock.Count} blocks and {merging.ProtectedNeighbours} protected neighbours leave none that can go.");
    }

    /// <summary>
    /// Classes that there are whether rows have them or not: those of a previous model, and those of any network that is merged without training, where the
    /// labels are texts, which are those that happen to occur. A key says itself what there is.
    /// </summary>
    private LabelClasses? KeptClasses(DataViewSchema schema, WeightsSource weights)
    {
        if (options.PreviousClassifier is { } previous) return options.AbsentClasses == AbsentClasses.Keep ? previous.Classes : null;
        bool areTexts = schema[options.LabelColumnName].Type is TextDataViewType;
        return _recipe.Epochs == 0 && areTexts && weights.ClassNames is { } known ? LabelClasses.OfNames(known) : null;
    }

    private TrainingRows Read(IDataView input, LabelClasses? kept, WeightsSource weights, long memoryForImages)
    {
        int readers = _recipe.Threads > 0 ? _recipe.Threads : Environment.ProcessorCount;
        var images = new ImageStoreOptions
        {
            ShorterEdge = weights.Preprocessing.ShorterEdge,
            MemoryBudget = memoryForImages,
            TemporaryFolder = MlNetInternals.TemporaryFolder(environment),
        };
        return TrainingRows.Read(input, options, weights.Config, images, readers, channel, cancellation, kept);
    }

    private StartModel Start(WeightsSource weights, FitClasses classes)
    {
        var start = weights.Build(classes.All.Names, channel);
        if (options.PreviousClassifier is { ClassNames: var before }) SayAbsent(before, classes);
        if (start.ClassesByIndex)
            channel.Warning(MessageSensitivity.None, $"The checkpoint carries no class names; its {start.Model.ClassNames.Count} classes are taken in the "
                + "order of the label's. Check that this is right.");
        return start;
    }

    private void SayAbsent(IReadOnlyList<string> before, FitClasses classes)
    {
        bool dropped = options.AbsentClasses == AbsentClasses.Drop;
        string[] absent = dropped ? [.. before.Except(classes.All.Names)] : [.. classes.Absent];
        if (absent.Length == before.Count)
            channel.Warning(MessageSensitivity.Schema, $"None of the {before.Count} classes of the previous model occurs in column "
                + $"'{options.LabelColumnName}'. Check that the labels are written as they were when it was fitted.");
        if (absent.Length > 0)
            channel.SayNames($"{absent.Length} of the {before.Count} classes of the previous model do not occur in column '{options.LabelColumnName}' and are "
                + $"{(dropped ? "dropped" : "kept")}: {List(absent)}. AbsentClasses decides that.");
    }

    /// <summary>The network without training, whose answers must all mean something.</summary>
    private VimMergedClassifierTransformer Merged(StartModel start, FitClasses classes) => start.NewClasses.Count == 0
        ? Transformer(start.Model, classes, null)
        : throw new InvalidOperationException($"Epochs is 0, and the checkpoint does not know {start.NewClasses.Count} of the {classes.Occurring} classes of "
            + $"column '{options.LabelColumnName}' ({List(start.NewClasses)}): their scores would be random. Re-train with 1 epoch or more, or use labels "
            + "with the names of the checkpoint's classes.");

    private RetrainResult<VimModel> Retrain(StartModel start, VimModel? teacher, TrainingRows rows, IVimDeviceProvider device)
    {
        var recipe = _recipe with
        {
            Device = device,
            Progress = new FitProgress(channel, cancellation, options.Progress ?? _recipe.Progress),
            TeacherLossWeight = TeacherWeight(start, teacher),
            TeacherClasses = start.NewClasses.Count > 0 ? TeacherClasses.Some : TeacherClasses.Same,
        };
        if (recipe.TeacherLossWeight == 0 && recipe.TargetLossWeight == 0)
            throw new InvalidOperationException("TargetLossWeight is 0 and there is no teacher to distil from, so there is nothing to learn; set "
                + "TargetLossWeight above 0.");
        var result = Retrainer.Run(start.Model, rows.Training, rows.Validation, recipe, teacher, cancellation.Token);
        SayEnd(result, recipe);
        return result;
    }

    private void SayEnd(RetrainResult<VimModel> result, RetrainOptions recipe)
    {
        string best = result.BestTop1 is { } top1 ? $", validation top-1 {result.StartTop1:P1} before and {top1:P1} after" : "";
        channel.Say($"Best epoch {result.BestEpoch} of {result.Epochs.Count}{best}; {(long)result.Duration.TotalHours}:{result.Duration:mm\\:ss}.");
        if (result.Ending == RetrainEnding.OutOfTime) channel.Say($"Ended: the time budget of {recipe.TimeBudget} is used up.");
        if (result.Ending == RetrainEnding.NoBetter) channel.Say($"Ended: no better validation in {recipe.Patience} epochs in a row.");
        if (result.Cancelled) channel.Warning(MessageSensitivity.None, $"Cancelled; the best weights so far are kept (epoch {result.BestEpoch}).");
    }

    /// <summary>
    /// Distillation needs a network that differs from the student and whose head knows the classes: the un-merged one. Or the previous model as it is, which
    /// keeps the student near what it knew also where nothing is merged, and has no say about the classes that it does not know.
    /// </summary>
    private double TeacherWeight(StartModel start, VimModel? previous)
    {
        double wanted = _recipe.TeacherLossWeight;
        int classes = start.Model.ClassNames.Count;
        if (wanted == 0) return 0;
        if (previous is not null)
        {
            channel.Say($"Distillation from the previous model, over the {previous.ClassNames.Count} of {classes} classes that it knows.");
            return wanted;
        }
        string? why = options.FromScratch ? "the weights are random"
            : options.Previous is not null ? $"the previous model knows {classes - start.NewClasses.Count} of the {classes} classes"
            : start.NewClasses.Count > 0 ? $"the checkpoint does not know {start.NewClasses.Count} of the {classes} classes"
            : start.Model.Schedule.IsDense ? "nothing is merged" : null;
        if (why is null) return wanted;
        channel.Say($"No distillation: {why}.");
        return 0;
    }

    private VimMergedClassifierTransformer Transformer(VimModel model, FitClasses classes, RetrainResult<VimModel>? result)
    {
        int count = classes.All.Names.Count;
        if (options.TopK > count) channel.Say($"TopK is {options.TopK} and there are {count} classes: the columns of the top classes have {count} slots.");
        var scoring = new ScoringOptions(options.UnreadableImages, _recipe.Threads, options.BatchSize)
        {
            Gpu = options.Gpu, Views = options.Views,
        };
        return new(environment, model, options.Columns, classes.All, scoring, result);
    }

    private static string List(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5).Select(name => $"'{name}'")) + (names.Count > 5 ? $" and {names.Count - 5} more" : "");
}

using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Re-trains a network with merge layers until its accuracy is back (spec 3.1), or trains one from scratch: AdamW, cosine schedule, cross-entropy with label
/// smoothing, distillation from the un-merged network, random resized crops and flips.
/// </summary>
/// <remarks>
/// Deterministic: the same model, images and options yield the same weights bit for bit whatever the number of threads, and from a run that was killed and
/// resumed, on one kind of device and vector width. From any number of processes as well (<see cref="RetrainOptions.Processes"/>), on a GPU where
/// <see cref="RetrainOptions.Lanes"/> is set.
/// </remarks>
public static class Retrainer
{
    // So that steps, and the up to three halves as many of the optimizer, can be counted in an int.
    private const int MaxSteps = 1 << 30;

    /// <summary>
    /// Runs the epochs that are asked for, or what is left of them where <see cref="RetrainOptions.CheckpointPath"/> holds an earlier state of the same run.
    /// </summary>
    /// <typeparam name="TModel">Kind of network.</typeparam>
    /// <param name="model">Start weights and merge schedule; not changed.</param>
    /// <param name="training">Images to learn from.</param>
    /// <param name="validation">Images that decide which epoch is best, or null: then the last is.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="teacher">
    /// The network to distil from, of any kind; null means <paramref name="model"/> without merges. Where <see cref="RetrainOptions.TeacherLossWeight"/> is
    /// 0, or <paramref name="model"/> has no merges and no teacher is given, nothing is distilled. It has the same classes, or some of them with
    /// <see cref="TeacherClasses.Some"/>.
    /// </param>
    /// <param name="cancellation">Stops within one batch; the best weights so far are returned, not lost.</param>
    /// <exception cref="ArgumentException">
    /// No training images, a label that is not a class, a clip for a network that takes images, a teacher with other classes or another image size, options
    /// that contradict each other, or more than 2³⁰ steps.
    /// </exception>
    /// <exception cref="ProcessGroupException">
    /// Of several processes another was lost, or failed, or they do not fit together; the message says where the run resumes.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or the weights are no longer finite.</exception>
    /// <exception cref="InvalidDataException">The checkpoint belongs to another run, or is something else than a checkpoint. It is not touched.</exception>
    /// <exception cref="Checkpoints.CheckpointFormatException">The checkpoint is damaged. It is not touched.</exception>
    /// <exception cref="IOException">
    /// The checkpoint cannot be written; the one before is as it was. Or the log cannot be written when the run begins, or images cannot be read.
    /// </exception>
    public static RetrainResult<TModel> Run<TModel>(
        TModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher = null,
        CancellationToken cancellation = default)
        where TModel : ClassifierModel
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(options);
        if (options.TeacherLossWeight == 0) teacher = null;
        var processes = new TrainingProcesses(options.Processes);
        try
        {
            processes.Together(() => Check(model, training, validation, options, teacher));
            if (options.TeacherLossWeight > 0 && teacher is null && !model.IsDense) teacher = model.WithoutMerges();
            using var run = new RetrainRun<TModel>(model, training, validation is { Count: > 0 } ? validation : null, options, teacher, processes);
            var result = run.Execute(cancellation);
            processes.Leave(null);
            return result;
        }
        catch (Exception e)
        {
            processes.Leave(e);
            throw;
        }
    }

    private static void Check(ClassifierModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher)
    {
        options.Validate();
        options.Ema?.ThrowIfUnfit(model);
        if (training.Count == 0) throw new ArgumentException("There are no training images.", nameof(training));
        CheckLength(training.Count, options);
        training.CheckLabels(model.ClassNames.Count, "training");
        validation?.CheckLabels(model.ClassNames.Count, "validation");
        training.CheckFrames(model.InputFrames, "training");
        validation?.CheckFrames(model.InputFrames, "validation");
        if (options.Patience is not null && validation is not { Count: > 0 })
            throw new ArgumentException($"RetrainOptions.Patience is {options.Patience}, and there are no validation images to tell what is better; give some, "
                + "or set Patience to null.", nameof(options));
        if (teacher is not null) CheckTeacher(model, teacher, options);
        bool isTaught = teacher is not null || (options.TeacherLossWeight > 0 && !model.IsDense);
        if (options.TargetLossWeight == 0 && !isTaught && options.Epochs > 0)
            throw new ArgumentException($"RetrainOptions.TargetLossWeight is 0, and there is no teacher (TeacherLossWeight is {options.TeacherLossWeight}"
                + $"{(model.IsDense ? ", and a network without merges does not teach itself" : "")}), so there is nothing to learn. Set TargetLossWeight above "
                + "0, or give a teacher.", nameof(options));
    }

    private static void CheckLength(int images, RetrainOptions options)
    {
        int steps = options.EpochsOf(images).Steps;
        double epochs = Math.Max(options.Epochs, options.WarmupEpochs);
        if (epochs * steps > MaxSteps)
            throw new ArgumentException($"{epochs} epochs (the larger of RetrainOptions.Epochs and WarmupEpochs) of {steps} steps are {epochs * steps:0} "
                + $"steps, and a run has at most {MaxSteps}. Set at most {MaxSteps / steps} epochs, or a larger BatchSize.", nameof(options));
    }

    private static void CheckTeacher(ClassifierModel model, ClassifierModel teacher, RetrainOptions options)
    {
        var (student, config) = (model.Preprocessing, teacher.Preprocessing);
        if (options.TeacherClasses == TeacherClasses.Some) CheckSomeClasses(model, teacher);
        else if (!teacher.ClassNames.SequenceEqual(model.ClassNames))
            throw new ArgumentException($"The teacher has {teacher.ClassNames.Count} classes and the network {model.ClassNames.Count}, or their names or order "
                + "differ; distillation needs the same classes in the same order. Use VimModel.WithHead, TeacherClasses.Some, or set TeacherLossWeight to 0.",
                nameof(teacher));
        if (teacher.InputFrames != model.InputFrames)
            throw new ArgumentException($"The teacher takes {Input(teacher)} and the network {Input(model)}; both see the same input. Use another teacher, or "
                + "set TeacherLossWeight to 0.", nameof(teacher));
        if ((config.ImageHeight, config.ImageWidth) != (student.ImageHeight, student.ImageWidth) || !config.Normalization.Equals(student.Normalization))
            throw new ArgumentException($"The teacher takes images of {config.ImageWidth}×{config.ImageHeight} pixels and the network "
                + $"{student.ImageWidth}×{student.ImageHeight}, or they are normalised otherwise; both see the same input, so use "
                + "VimModel.WithImageSize, or set TeacherLossWeight to 0.", nameof(teacher));
    }

    private static void CheckSomeClasses(ClassifierModel model, ClassifierModel teacher)
    {
        if (teacher.ClassNames.Except(model.ClassNames).FirstOrDefault() is { } stranger)
            throw new ArgumentException($"The teacher knows a class '{stranger}' and the network does not; TeacherClasses.Some needs a teacher whose "
                + $"{teacher.ClassNames.Count} classes are among the network's {model.ClassNames.Count}. Use VimModel.WithHead.", nameof(teacher));
        if (teacher.ClassNames.Count < 2)
            throw new ArgumentException($"The teacher knows one class, '{teacher.ClassNames[0]}', and so cannot tell it from others; use another teacher, or "
                + "set TeacherLossWeight to 0.", nameof(teacher));
    }

    private static string Input(ClassifierModel model) => model.InputFrames == 0 ? "images" : $"clips of {model.InputFrames} frames";
}

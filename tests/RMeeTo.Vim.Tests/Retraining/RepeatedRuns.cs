using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>What a run of every kind of network is held to: the same to the last bit, from any number of threads and after an interruption.</summary>
internal static class RepeatedRuns
{
    /// <summary>Random crops, a teacher, and a last batch that is smaller than the number of lanes.</summary>
    public static RetrainOptions Options { get; } = TinyTask.Options with { Epochs = 3, BatchSize = 20, TeacherLossWeight = 0.5, MinimumCropArea = 0.3 };

    /// <summary>The same with all that is drawn, added up or averaged: mixing, repetition, stochastic depth, accumulation, an average of the weights.</summary>
    public static RetrainOptions FullRecipe { get; } = Options with
    {
        BatchSize = 18,
        Mix = new(),
        MixGroupSize = 6,
        RepeatedAugmentation = 2,
        RandAugment = RandAugment.Parse("rand-m9-mstd0.5-inc1"),
        RandomErasing = 0.25,
        DropPath = 0.1,
        Accumulation = GradientAccumulation.Over(2),
        Ema = new() { Decay = 0.9 },
    };

    public static RetrainResult<TModel> Run<TModel>(TModel model, RetrainOptions options, CancellationToken cancellation = default)
        where TModel : ClassifierModel =>
        Retrainer.Run(model, TinyTask.Images(65, seed: 1), TinyTask.Images(30, seed: 2), options, cancellation: cancellation);

    /// <summary>A run that is cancelled after a step.</summary>
    public static RetrainResult<TModel> CancelledRun<TModel>(TModel model, RetrainOptions options, int epoch, int step) where TModel : ClassifierModel
    {
        using var cancel = new CancellationTokenSource();
        return Run(model, options with { Progress = CancelAfter(cancel, epoch, step) }, cancel.Token);
    }

    /// <summary>Cancels once a step is done.</summary>
    public static IProgress<RetrainProgress> CancelAfter(CancellationTokenSource cancel, int epoch, int step) => new Told<RetrainProgress>(p =>
    {
        if ((p.Epoch, p.Step, p.EpochEnded) == (epoch, step, false)) cancel.Cancel();
    });

    /// <summary>The same weights, losses and accuracies, bit for bit.</summary>
    public static void AssertSame<TModel>(RetrainResult<TModel> expected, RetrainResult<TModel> actual, string what) where TModel : ClassifierModel
    {
        TinyTask.AssertSameWeights(expected.Model, actual.Model, what);
        Assert.AreEqual(expected.StartTop1, actual.StartTop1, what);
        CollectionAssert.AreEqual(Curve(expected), Curve(actual), what);

        static double[] Curve(RetrainResult<TModel> result) =>
            [.. result.Epochs.SelectMany(e => new[] { e.Loss, e.TrainingTop1!.Value, e.ValidationTop1!.Value, e.ValidationLoss!.Value })];
    }
}

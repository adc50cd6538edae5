using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Docs;

/// <summary>The code of docs/retraining.md and docs/augmentation.md, which so compiles: every block of them stands in a method below, line by line.</summary>
[TestClass]
public sealed class RetrainingPageTests
{
    [TestMethod]
    [DataRow("retraining.md")]
    [DataRow("augmentation.md")]
    public void EveryBlockOfThePageIsCompiledHere(string page) => PageCode.AssertCompiled(page);

    [TestMethod]
    public void TheOptionsOfThePagesFitTogether()
    {
        Augmentation().Validate();
        Stopping().Validate();
        Clean().Validate();
    }

    internal static void Run(VimModel merged, ImageSet training, ImageSet validation)
    {
        RetrainResult<VimModel> result = Retrainer.Run(merged, training, validation, new RetrainOptions { Epochs = 3, LearningRate = 2e-4 });
        result.Model.Save("rebuilt.safetensors");
    }

    internal static void Presets()
    {
        RetrainOptions own = RetrainOptions.Default with { Epochs = 10, Seed = 1 };
        RetrainOptions paper = RetrainOptions.Paper with { Epochs = 15 };                  // Vim-Small of the paper's table 2
        RetrainOptions onOneMachine = RetrainOptions.Paper.WithBatchSize(64);              // learning rates in proportion
    }

    internal static RetrainOptions Augmentation()
    {
        var options = new RetrainOptions
        {
            BatchSize = 512,
            RandAugment = RandAugment.Parse("rand-m9-mstd0.5-inc1"),   // clips: "rand-m5-n2-mstd0.25-inc1"
            RandomErasing = 0.25,
            Mix = new MixOptions(),                                    // mixup 0.8, CutMix 1.0, always one of them, evenly
            MixGroupSize = 128,                                        // one decision for so many images, a divisor of BatchSize; 0: for the whole batch
            RepeatedAugmentation = 3, LastBatch = LastBatch.Dropped,
        };
        return options;
    }

    internal static RetrainOptions Clean()
    {
        RetrainOptions clean = RetrainOptions.Paper with
        {
            Accumulation = GradientAccumulation.None,
            LearningRateRule = LearningRateRule.CosinePerStep,
            TeacherDropPath = TeacherDropPath.None,
            WeightDecayRule = WeightDecayRule.MatricesOnly,
        };
        return clean;
    }

    internal static void Average(VimModel model, ImageSet training, ImageSet validation)
    {
        using var file = Checkpoint.Open("vim_b_midclstok_81p9acc.pth", new CheckpointReadOptions { Weights = CheckpointWeights.Ema });
        var average = new VimModel(VimCheckpoint.Load(file, VimConfig.VimBase), model.ClassNames);
        var result = Retrainer.Run(model, training, validation, RetrainOptions.PaperVimBase with { Ema = new ModelEma { Start = average } });
    }

    internal static void Parts(ImageSet training)
    {
        ImageSet tenPercent = training.StratifiedPart(0.1, seed: 1);   // the same share of every class
        ImageSet published = training.ReferencePart(0.1);              // Python's random.seed(0); random.sample(…): the paper's table 8
    }

    internal static RetrainOptions Stopping()
    {
        var options = RetrainOptions.Default with
        {
            Epochs = 30,
            TimeBudget = TimeSpan.FromMinutes(20),
            Patience = 5,
            CheckpointPath = "run.checkpoint",
            CheckpointInterval = TimeSpan.FromMinutes(2),
        };
        return options;
    }

    internal static void AddedClass(VimModel before, ImageSet training, ImageSet validation)
    {
        VimModel grown = before.WithHead([.. before.ClassNames, "new class"], seed: 1);      // the old rows of the head are kept
        var result = Retrainer.Run(grown, training, validation, new RetrainOptions { TeacherClasses = TeacherClasses.Some }, teacher: before);
    }

    internal static void FromScratch(VimConfig config, string[] classNames, ImageSet training, ImageSet validation)
    {
        var start = new VimModel(VimInitializer.Create(config, seed: 1), classNames);
        var result = Retrainer.Run(start, training, validation, RetrainOptions.FromScratch.WithBatchSize(128));
    }
}

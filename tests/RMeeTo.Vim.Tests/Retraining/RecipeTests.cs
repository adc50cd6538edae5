using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Whole runs with accumulation, parameter groups, an average of the weights and the published schedule.</summary>
[TestClass]
public sealed class RecipeTests
{
    /// <summary>Everything that the optimizer can do besides one plain step a batch.</summary>
    private static readonly RetrainOptions s_everything = RepeatedRuns.Options with
    {
        BatchSize = 10,
        Accumulation = GradientAccumulation.Reference,
        LearningRateRule = LearningRateRule.ReferenceCosinePerEpoch,
        WarmupEpochs = 1,
        WarmupLearningRate = 1e-4,
        WeightDecayRule = WeightDecayRule.MatricesOnly,
        LayerDecay = new LayerDecay(0.9),
        Ema = new ModelEma { Decay = 0.8, Start = TinyTask.Model(4, seed: 3) },
    };

    private static readonly Lazy<RetrainResult<VimModel>> s_uninterrupted = new(() => Run(s_everything));

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    public void ThreadsDoNotMatter(int threads) =>
        RepeatedRuns.AssertSame(s_uninterrupted.Value, Run(s_everything with { Threads = threads }), $"{threads} threads");

    /// <summary>Cancelled between the two micro-batches of a group as well.</summary>
    [TestMethod]
    [DataRow(2, 2)]
    [DataRow(3, 5)]
    public void ACancelledRunResumes(int epoch, int step)
    {
        using var folder = new TemporaryFolder();
        var options = s_everything with { CheckpointPath = folder.File("run.safetensors") };
        Assert.IsTrue(RepeatedRuns.CancelledRun(TinyTask.Model(4), options, epoch, step).Cancelled);
        RepeatedRuns.AssertSame(s_uninterrupted.Value, Run(options with { Threads = 2 }), "resumed");
    }

    /// <summary>The average is validated, and it is what comes back.</summary>
    [TestMethod]
    public void TheAverageIsValidatedAndReturned()
    {
        var validation = TinyTask.Images(30, seed: 2);
        var result = s_uninterrupted.Value;
        var start = (VimModel)s_everything.Ema!.Start!;
        Assert.AreEqual(TinyTask.Top1(start, validation), result.StartTop1);
        Assert.AreEqual(TinyTask.Top1(result.Model, validation), result.BestTop1);

        // Without validation the latest is returned: of a decay of almost 1 the start of the average, of 0 the weights themselves.
        var still = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(20, 1), null, s_everything with { Ema = new() { Decay = 1 - 1e-12, Start = start } });
        AssertClose(start, still.Model);
        var weights = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(20, 1), null, s_everything with { Ema = null });
        var same = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(20, 1), null, s_everything with { Ema = new() { Decay = 0 } });
        AssertClose(weights.Model, same.Model);

        static void AssertClose(VimModel expected, VimModel actual)
        {
            for (int i = 0; i < expected.Weights.Values.Length; i++) Assert.AreEqual(expected.Weights.Values[i], actual.Weights.Values[i], 1e-6f, $"value {i}");
        }
    }

    /// <summary>Spec 3.1: the teacher is shown the mixed images. One that is the student has a divergence of 0 only where both are shown the same.</summary>
    [TestMethod]
    public void TheTeacherSeesTheMixedImages()
    {
        var dense = TinyTask.Model();
        var options = RepeatedRuns.FullRecipe with
        {
            Epochs = 1,
            DropPath = 0,
            TargetLossWeight = 0,
            TeacherLossWeight = 1,
            LearningRate = 0,
            MinimumLearningRate = 0,
        };
        Assert.AreEqual(0, Retrainer.Run(dense, TinyTask.Images(36, 1), null, options, teacher: dense).Epochs[^1].Loss, 1e-7);
        Assert.IsGreaterThan(1e-5, Retrainer.Run(dense, TinyTask.Images(36, 1), null, options, teacher: TinyTask.Model(seed: 3)).Epochs[^1].Loss);
    }

    /// <summary>In double, a group of micro-batches is the batch that holds all its images, a smaller last group of an epoch included.</summary>
    [TestMethod]
    public void MicroBatchesMakeTheBatchOfAllTheirImages()
    {
        var device = new ProviderUnderTest(new ReferenceDevice().Name);
        var large = TinyTask.Options with { Device = device, BatchSize = 8, Epochs = 2, Lanes = 1, WarmupEpochs = 0.7 };
        var expected = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(21, 1), null, large);
        var actual = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(21, 1), null, large with { BatchSize = 2, Accumulation = GradientAccumulation.Over(4) });
        float[] wanted = expected.Model.Weights.Values, got = actual.Model.Weights.Values;
        for (int i = 0; i < wanted.Length; i++) Assert.AreEqual(wanted[i], got[i], 1e-6, $"value {i}");
        Assert.AreEqual(expected.Epochs[^1].Loss, actual.Epochs[^1].Loss, 1e-9);
        var none = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(21, 1), null, large with { BatchSize = 2 });
        Assert.IsGreaterThan(1e-4, Math.Abs(expected.Epochs[^1].Loss - none.Epochs[^1].Loss), "it does make a difference");
    }

    [TestMethod]
    public void ACheckpointOfAnotherRecipeIsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        var options = s_everything with { Epochs = 1, CheckpointPath = folder.File("run.safetensors") };
        Run(options);
        Refused("Accumulation", options with { Accumulation = GradientAccumulation.None });
        Refused("LearningRateRule", options with { LearningRateRule = LearningRateRule.CosinePerEpoch });
        Refused("WarmupLearningRate", options with { WarmupLearningRate = null });
        Refused("WeightDecayRule", options with { WeightDecayRule = WeightDecayRule.EveryParameter });
        Refused("LayerDecay", options with { LayerDecay = new(0.8) });
        Refused("LayerDecay", options with { LayerDecay = new(0.9) { Rule = LayerDecayRule.Reference } });
        Refused("Ema", options with { Ema = options.Ema! with { Decay = 0.9 } });
        Refused("average start weights", options with { Ema = options.Ema! with { Start = null } });

        static void Refused(string name, RetrainOptions other) =>
            StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Run(other)).Message, $"{name}: ");
    }

    [TestMethod]
    public void AnAverageOfAnotherNetworkIsRefused()
    {
        Refused(TinyTask.Model().WithHead(["top", "bottom"], seed: 1), "2 classes and the network 3");
        Refused(TinyTask.Model().WithImageSize(32, 24), "pos_embed (1, 49, 16) where the network has pos_embed (1, 37, 16)");

        static void Refused(VimModel start, string message)
        {
            var options = TinyTask.Options with { Ema = new() { Start = start } };
            var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), TinyTask.Images(9, 1), null, options));
            StringAssert.Contains(e.Message, message);
        }
    }

    private static RetrainResult<VimModel> Run(RetrainOptions options) => RepeatedRuns.Run(TinyTask.Model(4), options);
}

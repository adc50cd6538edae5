using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;
using RMeeTo.Vim.Tests.Retraining.Distributed;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The recipe of the options is the recipe of the run: Fit ends with the bits of the training loop without the stage.</summary>
[TestClass]
public sealed class StageRecipeTests
{
    private const int Count = 24;
    private readonly MLContext _ml = new(seed: 1);

    private static RetrainOptions Small(RetrainOptions recipe) => recipe with { Epochs = 2, LearningRate = 1e-3, Threads = 2, Seed = 5 };

    private static IEnumerable<(string Name, RetrainOptions Recipe)> Recipes =>
    [
        ("default", Small(RetrainOptions.Default with { BatchSize = 8 })),
        ("paper", Small(RetrainOptions.Paper.WithBatchSize(8) with { MixGroupSize = 4 })),
        ("video", Small(RetrainOptions.PaperVideo.WithBatchSize(8) with { MixGroupSize = 4, WarmupEpochs = 1 })),
        ("average", Small(RetrainOptions.Default with { BatchSize = 8, Ema = new ModelEma { Decay = 0.9 }, DropPath = 0.2, RandomErasing = 1 })),
        ("mixed", Small(RetrainOptions.Default with { BatchSize = 8, Mix = new MixOptions(), RepeatedAugmentation = 2 })),
    ];

    [TestMethod]
    public void TheStageTrainsAsTheLoopDoes()
    {
        var start = Tiny.Model(Pictures.Classes);
        var merged = new VimModel(start.Weights, Pictures.Classes, MergeSchedule.Uniform(Tiny.Config, 4), null, start.Preprocessing with { CropRatio = 1 });
        using var store = Tiny.Store(merged.Preprocessing, Count);
        var seen = new HashSet<string>();
        foreach (var (name, recipe) in Recipes)
        {
            var options = Tiny.FromPaths(new()
            {
                Model = start, TokensPerMerge = 4, CropRatio = 1, Epochs = null, ValidationFraction = 0, Retraining = recipe,
            });
            using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, Count, wholePaths: true));
            var expected = Retrainer.Run(merged, new ImageSet(store), null, recipe).Model.Weights.Values;
            Assert.IsTrue(expected.AsSpan().SequenceEqual(fitted.Model.Weights.Values), name);
            Assert.IsTrue(seen.Add(string.Join(' ', expected[..20])), $"{name} trains as another recipe does");
        }
    }

    /// <summary>A Fit in each of several processes, here threads: all get the network of one, that of a schedule that is found too.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void SeveralProcessesFitTheSameNetwork(bool target)
    {
        float[] alone = Fit(null);
        foreach (float[] weights in InMemoryGroup.Run(2, Fit)) Assert.IsTrue(alone.AsSpan().SequenceEqual(weights));

        float[] Fit(IProcessGroup? processes)
        {
            var ml = new MLContext();
            var options = Tiny.FromPaths(new()
            {
                Model = Tiny.Model(Pictures.Classes), TokensPerMerge = 4, CropRatio = 1, Target = target ? MergeSchedule.ForSpeedup(1.1) : null,
                TargetImages = 12,
                Retraining = Small(RetrainOptions.Default with { BatchSize = 8, Processes = processes }),
            });
            using var fitted = ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(ml, 0, Count, wholePaths: true));
            return [.. fitted.Model.Weights.Values, .. fitted.Schedule.RemovedPerBlock];
        }
    }
}

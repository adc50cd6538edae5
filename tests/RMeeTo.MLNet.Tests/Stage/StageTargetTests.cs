using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Merging;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Schedules that Fit finds for a target.</summary>
[TestClass]
public sealed class StageTargetTests
{
    private readonly MLContext _ml = new(seed: 1);

    private VimMergedClassifierOptions Options(ScheduleTarget target) => Tiny.FromPaths(new()
    {
        Model = Tiny.Classifier.Model, Target = target, TargetImages = 24, Epochs = 0, Retraining = Tiny.Options().Retraining,
    });

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options) =>
        _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 60, wholePaths: true));

    [TestMethod]
    public void ASpeedIsReachedWithoutTraining()
    {
        var log = Tiny.Log(_ml);
        using var classifier = Fit(Options(MergeSchedule.ForSpeedup(1.2)));
        double speedup = VimCost.Of(classifier.Model.Config).Bidirectional / VimCost.Of(classifier.Model.Config, classifier.Schedule).Bidirectional;
        Assert.IsTrue(speedup is > 1.15 and < 1.3, $"{speedup}");
        Assert.IsNull(classifier.Retraining);
        Tiny.HasLine(log, "Schedule found for 1.2 times as fast on 24 training images");
        Tiny.HasLine(log, "Trade-off: 1.00 times as fast");
        using var again = Fit(Options(MergeSchedule.ForSpeedup(1.2)));
        CollectionAssert.AreEqual(classifier.Schedule.RemovedPerBlock.ToArray(), again.Schedule.RemovedPerBlock.ToArray());
    }

    [TestMethod]
    public void RetrainsWithWhatWasFound()
    {
        var options = Options(MergeSchedule.ForAccuracyLoss(0.05));
        (options.Epochs, options.ValidationFraction) = (1, 0);
        using var classifier = Fit(options);
        Assert.IsNotNull(classifier.Retraining);
        Assert.IsFalse(classifier.Schedule.IsDense);
        var metrics = _ml.MulticlassClassification.Evaluate(_ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Data(_ml, 0, 60))
            .Transform(classifier.Transform(Tiny.Data(_ml, 60, 30, wholePaths: true))));
        Assert.IsGreaterThan(0.8, metrics.MicroAccuracy);
    }

    [TestMethod]
    public void MistakesAreClear()
    {
        var options = Options(MergeSchedule.ForSpeedup(19));
        Tiny.Throws<InvalidOperationException>(() => Fit(options), "19 times as fast");
        options = Options(MergeSchedule.ForSpeedup(1.2));
        options.Model = Tiny.Model("rust", "moss", "lava");
        Tiny.Throws<InvalidOperationException>(() => Fit(options), "does not know 1 of the 3 classes", "TokensPerMerge");
        options.Schedule = MergeSchedule.Uniform(Tiny.Config, 4);
        Tiny.Throws<ArgumentException>(() => Fit(options), "Target (1.2 times as fast)", "Schedule");
        options = Tiny.Options();
        options.Target = MergeSchedule.ForSpeedup(1.2);
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "FromScratch");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.TargetImages = 0, "TargetImages is 0");
    }
}

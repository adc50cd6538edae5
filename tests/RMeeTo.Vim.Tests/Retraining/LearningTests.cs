using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>That training teaches, that re-training repairs what merging broke, and which weights come back.</summary>
[TestClass]
public sealed class LearningTests
{
    private static readonly RetrainOptions s_scratch = TinyTask.Options with { Epochs = 7, BatchSize = 20, LearningRate = 1.2e-2, WarmupEpochs = 0.5 };

    /// <summary>Seen over three seeds and three vector widths: 1.00, then 0.49 to 0.72, then 0.97 to 1.00.</summary>
    [TestMethod]
    public void ANetworkLearnsMergingBreaksItAndRetrainingRepairsIt()
    {
        var (train, test) = (TinyTask.Images(600, seed: 1), TinyTask.Images(300, seed: 2));
        var scratch = Retrainer.Run(TinyTask.Model(), train, test, s_scratch);
        Assert.IsGreaterThan(0.9, scratch.BestTop1!.Value);
        Assert.AreEqual(scratch.BestTop1.Value, TinyTask.Top1(scratch.Model, test), 0.02);

        var merged = scratch.Model.WithSchedule(MergeSchedule.Uniform(TinyTask.Config, 12, interval: 1));
        var rebuilt = Retrainer.Run(merged, train, test, s_scratch with { Epochs = 4, LearningRate = 6e-3, TeacherLossWeight = 0.5 });
        Assert.IsLessThan(scratch.BestTop1.Value - 0.15, rebuilt.StartTop1!.Value);
        Assert.IsGreaterThan(0.9, rebuilt.BestTop1!.Value);
        Assert.AreEqual(12, rebuilt.Model.Schedule.RemovedPerBlock[1]);
    }

    [TestMethod]
    public void ValidationChoosesTheBestEpoch()
    {
        var (train, test) = (TinyTask.Images(120, seed: 1), TinyTask.Images(60, seed: 2));
        var result = Retrainer.Run(TinyTask.Model(), train, test, TinyTask.Options with { Epochs = 6, LearningRate = 2e-2 });
        double best = result.Epochs.Select(e => e.ValidationTop1!.Value).Append(result.StartTop1!.Value).Max();
        Assert.AreEqual(best, result.BestTop1);
        Assert.AreEqual(result.BestEpoch == 0 ? result.StartTop1 : result.Epochs[result.BestEpoch - 1].ValidationTop1, best, "the first epoch that reached it");
        Assert.AreEqual(best, TinyTask.Top1(result.Model, test));
    }

    /// <summary>Random labels make every epoch worse than the start, where the network had learned something.</summary>
    [TestMethod]
    public void TheNetworkAsItCameIsKeptWhereTrainingMakesItWorse()
    {
        var (train, test) = (TinyTask.Images(300, seed: 1), TinyTask.Images(90, seed: 2));
        var good = Retrainer.Run(TinyTask.Model(), train, test, s_scratch with { Epochs = 5 }).Model;
        var result = Retrainer.Run(good, TinyTask.Mislabelled(train), test, TinyTask.Options with { Epochs = 1, LearningRate = 1e-2 });
        Assert.AreEqual(0, result.BestEpoch);
        Assert.AreEqual(result.StartTop1, result.BestTop1);
        TinyTask.AssertSameWeights(good, result.Model, "the start weights");
    }

    [TestMethod]
    public void WithoutValidationTheLastEpochIsTheBest()
    {
        var train = TinyTask.Images(60, seed: 1);
        var result = Retrainer.Run(TinyTask.Model(), train, null, TinyTask.Options with { Epochs = 3 });
        Assert.AreEqual(3, result.BestEpoch);
        Assert.IsNull(result.StartTop1);
        Assert.IsNull(result.BestTop1);
        Assert.HasCount(3, result.Epochs);
        Assert.IsTrue(result.Epochs.All(e => e.ValidationTop1 is null && e.Loss > 0 && e.Seconds > 0));
        var empty = Retrainer.Run(TinyTask.Model(), train, new ImageSet(train.Store, []), TinyTask.Options with { Epochs = 3 });
        TinyTask.AssertSameWeights(result.Model, empty.Model, "no validation images");
    }

    /// <summary>With wrong labels of no weight, all that is learned comes from the teacher.</summary>
    [TestMethod]
    public void ATeacherTeaches()
    {
        var (train, test) = (TinyTask.Images(600, seed: 1), TinyTask.Images(150, seed: 2));
        var teacher = Retrainer.Run(TinyTask.Model(), train, test, s_scratch).Model;
        var options = s_scratch with { TargetLossWeight = 0, TeacherLossWeight = 1 };
        var pupil = Retrainer.Run(TinyTask.Model(seed: 3), TinyTask.Mislabelled(train), test, options, teacher);
        Assert.IsGreaterThan(0.85, pupil.BestTop1!.Value);
    }

    [TestMethod]
    public void ANetworkWithoutMergesHasNoTeacherUnlessOneIsGiven()
    {
        var train = TinyTask.Images(30, seed: 1);
        var with = Retrainer.Run(TinyTask.Model(), train, null, TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0.5 });
        var without = Retrainer.Run(TinyTask.Model(), train, null, TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0 });
        TinyTask.AssertSameWeights(without.Model, with.Model, "dense");
        var mergedWith = Retrainer.Run(TinyTask.Model(4), train, null, TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0.5 });
        var mergedWithout = Retrainer.Run(TinyTask.Model(4), train, null, TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0 });
        Assert.IsFalse(mergedWith.Model.Weights.Values.AsSpan().SequenceEqual(mergedWithout.Model.Weights.Values), "merged");
    }

    [TestMethod]
    public void NoEpochsChangeNothing()
    {
        var (train, test) = (TinyTask.Images(30, seed: 1), TinyTask.Images(30, seed: 2));
        var model = TinyTask.Model(4);
        var result = Retrainer.Run(model, train, test, TinyTask.Options with { Epochs = 0, CheckpointPath = "/no/such/folder/run.safetensors" });
        TinyTask.AssertSameWeights(model, result.Model, "weights");
        Assert.AreEqual((0, 0, false), (result.BestEpoch, result.Epochs.Count, result.Cancelled));
        Assert.AreEqual(result.StartTop1, result.BestTop1);
        Assert.IsNotNull(result.StartTop1);
        Assert.IsNull(Retrainer.Run(model, train, null, TinyTask.Options with { Epochs = 0 }).BestTop1);
    }
}

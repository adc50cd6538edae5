using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Whole runs with a time budget or with patience. A step takes a second, the end of an epoch three: only the listener moves the clock.</summary>
[TestClass]
public sealed class TimeBudgetTests
{
    private static readonly RetrainOptions s_options = RepeatedRuns.Options with
    {
        Epochs = 200, WarmupEpochs = 20, Accumulation = GradientAccumulation.Over(2),
    };

    [TestMethod]
    public void TheRunEndsInTimeAndAtTheEndOfItsSchedule()
    {
        var (result, told, used) = Run(s_options, 40);
        Assert.AreEqual(RetrainEnding.OutOfTime, result.Ending);
        Assert.IsTrue(used is > 30 and <= 40, $"{used} seconds");
        var steps = told.Where(p => !p.EpochEnded).ToList();
        double top = steps.Max(p => p.LearningRate);
        Assert.AreEqual(s_options.LearningRate, top, 0.1 * top);
        Assert.IsLessThan(0.05 * top, steps[^1].LearningRate, "the cosine has come to its end");
        int peak = steps.FindIndex(p => p.LearningRate == top);
        for (int i = 1; i < steps.Count; i++)
            Assert.IsTrue(i <= peak ? steps[i].LearningRate >= steps[i - 1].LearningRate : steps[i].LearningRate <= steps[i - 1].LearningRate, $"step {i}");
        Assert.IsTrue(steps[^1] is { Remaining.TotalSeconds: >= 0 and <= 4 } last && last.Epoch == last.Epochs && last.Step == last.Steps, $"{steps[^1]}");
        Assert.AreEqual(TimeSpan.Zero, told[^1].Remaining);
        Assert.HasCount(told[^1].Epoch, result.Epochs);
        Assert.AreEqual(result.BestTop1, TinyTask.Top1(result.Model, TinyTask.Images(30, seed: 2)));
    }

    /// <summary>Times are the same here, so plans are, and what a plan makes of a state is the same bit for bit.</summary>
    [TestMethod]
    public void WithTheSamePlanTheResultIsTheSame() =>
        RepeatedRuns.AssertSame(Run(s_options, 30).Result, Run(s_options with { Threads = 2 }, 30).Result, "again");

    [TestMethod]
    public void TimeUsedBeforeAResumeCounts()
    {
        using var folder = new TemporaryFolder();
        var options = s_options with { CheckpointPath = folder.File("run.safetensors"), CheckpointInterval = TimeSpan.Zero };
        using var cancel = new CancellationTokenSource();
        var (cancelled, before, usedBefore) = Run(options, 40, cancel, cancelAt: 20);
        Assert.AreEqual(RetrainEnding.Cancelled, cancelled.Ending);
        var (result, after, usedAfter) = Run(options, 40);
        Assert.AreEqual(RetrainEnding.OutOfTime, result.Ending);
        Assert.IsTrue(usedBefore + usedAfter is > 30 and <= 40, $"{usedBefore} and {usedAfter} seconds");
        Assert.IsTrue(after[0].ResumedAt > 0 && after[0].LearningRate <= before.Max(p => p.LearningRate));
        Assert.IsLessThan(0.05 * options.LearningRate, after[^1].LearningRate);
        var again = Run(options, 40);
        Assert.IsEmpty(again.Told, "nothing is left to do");
        RepeatedRuns.AssertSame(result, again.Result, "finished");
    }

    /// <summary>
    /// What a validation takes is known from that before the first step, also to a process that resumes in the first epoch and has made none.
    /// </summary>
    [TestMethod]
    public void AResumeInTheFirstEpochLeavesTimeForTheValidation()
    {
        using var folder = new TemporaryFolder();
        var options = s_options with { BatchSize = 5, Accumulation = GradientAccumulation.None, CheckpointPath = folder.File("run.safetensors") };
        var before = Train(cancelAt: 3);
        var after = Train(cancelAt: 0);
        Assert.AreEqual((RetrainEnding.Cancelled, RetrainEnding.OutOfTime, 1), (before.Ending, after.Ending, after.Epochs.Count));
        Assert.IsLessThanOrEqualTo(30, (before.Duration + after.Duration).TotalSeconds);

        RetrainResult<VimModel> Train(int cancelAt)
        {
            var clock = new FakeClock();
            using var cancel = new CancellationTokenSource();
            var validation = new ImageSet(TinyTask.Images(30, seed: 2).Store, new SlowImages(clock, 30));
            return Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), validation, options with
            {
                Clock = clock,
                TimeBudget = TimeSpan.FromSeconds(30),
                Progress = new Told<RetrainProgress>(p =>
                {
                    if (!p.EpochEnded) clock.Pass(1);
                    if (p.Step == cancelAt && !p.EpochEnded) cancel.Cancel();
                }),
            }, cancellation: cancel.Token);
        }
    }

    [TestMethod]
    public void WhereThereIsTimeEnoughTheResultIsThatWithoutABudget()
    {
        var options = s_options with { Epochs = 3, WarmupEpochs = 1 };
        var result = Run(options, 1000).Result;
        Assert.AreEqual(RetrainEnding.Completed, result.Ending);
        RepeatedRuns.AssertSame(RepeatedRuns.Run(TinyTask.Model(4), options), result, "no budget");
    }

    /// <summary>The time is used up while the network is validated that the run begins with.</summary>
    [TestMethod]
    public void WhereThereIsNoTimeNothingIsTrained()
    {
        var clock = new FakeClock();
        var progress = new Told<RetrainProgress>(p => Assert.AreEqual(0, p.Step));
        var options = s_options with { Clock = clock, TimeBudget = TimeSpan.FromSeconds(1), Progress = progress };
        var images = new ImageSet(TinyTask.Images(30, seed: 2).Store, new SlowImages(clock, 30));
        var result = Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), images, options);
        Assert.AreEqual((RetrainEnding.OutOfTime, 0, 0), (result.Ending, result.BestEpoch, result.Epochs.Count));
        TinyTask.AssertSameWeights(TinyTask.Model(4), result.Model, "the start weights");
    }

    /// <summary>A rate of 0 changes nothing, so no epoch is better than the network that was handed in.</summary>
    [TestMethod]
    public void PatienceEndsTheRun()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with
        {
            Epochs = 9, LearningRate = 0, MinimumLearningRate = 0, Patience = 3, CheckpointPath = folder.File("run.safetensors"),
        };
        var result = RepeatedRuns.Run(TinyTask.Model(4), options);
        Assert.AreEqual((RetrainEnding.NoBetter, 0, 3), (result.Ending, result.BestEpoch, result.Epochs.Count));
        var again = RepeatedRuns.Run(TinyTask.Model(4), options with { Progress = new Told<RetrainProgress>(_ => Assert.Fail("nothing is left to do")) });
        RepeatedRuns.AssertSame(result, again, "finished");
        Assert.AreEqual(RetrainEnding.Completed, RepeatedRuns.Run(TinyTask.Model(4), options with { Patience = 9, CheckpointPath = null }).Ending);
        var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), TinyTask.Images(9, 1), null, options));
        StringAssert.Contains(e.Message, "Patience is 3, and there are no validation images");
    }

    [TestMethod]
    public void OfTheSameTop1TheLowerLossIsBetter()
    {
        var score = new ValidationScore(0.5, 0.9, 1.25);
        Assert.IsTrue((score with { Top1 = 0.6, Loss = 9 }).IsBetterThan(score));
        Assert.IsTrue((score with { Loss = 1.2 }).IsBetterThan(score));
        Assert.IsFalse(score.IsBetterThan(score));
        Assert.IsFalse((score with { Top1 = 0.4, Loss = 0.1 }).IsBetterThan(score));
    }

    private static (RetrainResult<VimModel> Result, List<RetrainProgress> Told, double Used) Run(
        RetrainOptions options, double budget, CancellationTokenSource? cancel = null, int cancelAt = 0)
    {
        var clock = new FakeClock();
        List<RetrainProgress> told = [];
        var result = RepeatedRuns.Run(TinyTask.Model(4), options with
        {
            Clock = clock,
            TimeBudget = TimeSpan.FromSeconds(budget),
            Progress = new Told<RetrainProgress>(p =>
            {
                told.Add(p);
                clock.Pass(p.EpochEnded ? 3 : 1);
                if (told.Count == cancelAt) cancel!.Cancel();
            }),
        }, cancel?.Token ?? default);
        return (result, told, clock.Now.TotalSeconds);
    }

    /// <summary>Places of images; to look one up takes time.</summary>
    private sealed class SlowImages(FakeClock clock, int count) : IReadOnlyList<int>
    {
        public int Count => count;

        public int this[int k]
        {
            get
            {
                clock.Pass(0.1);
                return k;
            }
        }

        public IEnumerator<int> GetEnumerator() => Enumerable.Range(0, count).GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The same weights to the last bit, from any number of threads, and from a run that was interrupted.</summary>
[TestClass]
public sealed class DeterminismTests
{
    private static readonly Lazy<RetrainResult<VimModel>> s_uninterrupted = new(() => Run(RepeatedRuns.Options));

    private static readonly Lazy<RetrainResult<VimModel>> s_fullRecipe = new(() => Run(RepeatedRuns.FullRecipe));

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    public void ThreadsDoNotMatter(int threads) =>
        RepeatedRuns.AssertSame(s_uninterrupted.Value, Run(RepeatedRuns.Options with { Threads = threads }), $"{threads} threads");

    /// <summary>Nor do the threads that prepare images, and how far they are ahead.</summary>
    [TestMethod]
    [DataRow(1, 2, 3)]
    [DataRow(2, 1, 1)]
    [DataRow(2, 5, 4)]
    [DataRow(3, 1, 64)]
    public void LoadersDoNotMatter(int threads, int loaders, int batches) => RepeatedRuns.AssertSame(
        s_fullRecipe.Value, Run(RepeatedRuns.FullRecipe with { Threads = threads, LoaderThreads = loaders, PreparedBatches = batches }), $"{loaders} loaders");

    [TestMethod]
    public void LanesAndSeedDo()
    {
        var usual = s_uninterrupted.Value.Model;
        Assert.IsFalse(Run(RepeatedRuns.Options with { Lanes = 3 }).Model.Weights.Values.AsSpan().SequenceEqual(usual.Weights.Values), "lanes");
        Assert.IsFalse(Run(RepeatedRuns.Options with { Seed = 8 }).Model.Weights.Values.AsSpan().SequenceEqual(usual.Weights.Values), "seed");
        TinyTask.AssertSameWeights(usual, Run(RepeatedRuns.Options with { Lanes = 8 }).Model, "8 lanes are the default");
    }

    /// <summary>
    /// Shuffles are drawn anew for every image of every epoch, and are the same from any number of threads; the trained model classifies by fixed ones.
    /// </summary>
    [TestMethod]
    public void ShufflesComeFromTheSeedOfTheRun()
    {
        VimModel one = Shuffled(0.5, 1), two = Shuffled(0.5, 2), plain = Shuffled(0, 1);
        TinyTask.AssertSameWeights(one, two, "two threads");
        Assert.IsFalse(one.Weights.Values.AsSpan().SequenceEqual(plain.Weights.Values), "without shuffling");
        var images = TinyTask.Images(9, 3);
        Assert.AreEqual(TinyTask.Top1(one, images), TinyTask.Top1(two, images));

        static VimModel Shuffled(double rate, int threads)
        {
            var model = TinyTask.Model(4).WithSchedule(TinyTask.Model(4).Schedule, new() { ShuffleRate = rate });
            return RepeatedRuns.Run(model, RepeatedRuns.Options with { Epochs = 1, Threads = threads }).Model;
        }
    }

    /// <summary>RandAugment and erasing reach the run, and are the same from any number of threads.</summary>
    [TestMethod]
    public void AugmentationComesFromTheSeedOfTheRun()
    {
        var options = RepeatedRuns.Options with { Epochs = 1 };
        var plain = Run(options);
        foreach (var augmented in new[] { options with { RandAugment = new() }, options with { RandomErasing = 0.5 } })
        {
            var one = Run(augmented);
            RepeatedRuns.AssertSame(one, Run(augmented with { Threads = 2 }), "two threads");
            // The loss tells, and not the weights: those that are returned may be those of the start.
            Assert.AreNotEqual(plain.Epochs[0].Loss, one.Epochs[0].Loss, "without");
            Assert.AreNotEqual(one.Epochs[0].Loss, Run(augmented with { Seed = 9 }).Epochs[0].Loss, "seed");
        }
    }

    /// <summary>It goes on after the last step, or, where gradients are being accumulated, after the one before.</summary>
    [TestMethod]
    [DataRow(false, 1, 1, 1)]
    [DataRow(false, 2, 3, 7)]
    [DataRow(false, 3, 4, 12)]
    [DataRow(true, 1, 1, 0)]
    [DataRow(true, 2, 2, 6)]
    [DataRow(true, 3, 4, 12)]
    public void ACancelledRunResumes(bool full, int epoch, int step, int resumedAt)
    {
        using var folder = new TemporaryFolder();
        var options = (full ? RepeatedRuns.FullRecipe : RepeatedRuns.Options) with { CheckpointPath = folder.File("run.safetensors") };
        var cancelled = RepeatedRuns.CancelledRun(TinyTask.Model(4), options, epoch, step);
        Assert.AreEqual(RetrainEnding.Cancelled, cancelled.Ending);
        Assert.HasCount(epoch - 1, cancelled.Epochs);

        var told = new List<int>();
        var resumed = Run(options with { Threads = 2, Progress = new Told<RetrainProgress>(p => told.Add(p.ResumedAt)) });
        Assert.AreEqual(RetrainEnding.Completed, resumed.Ending);
        RepeatedRuns.AssertSame((full ? s_fullRecipe : s_uninterrupted).Value, resumed, "resumed");
        Assert.IsTrue(told.All(at => at == resumedAt), string.Join(", ", told));
    }

    /// <summary>Of an epoch that was trained before, and only validated here, the listener is told the same.</summary>
    [TestMethod]
    public void AnEpochThatIsOnlyValidatedIsToldAsAWhole()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors") };
        RepeatedRuns.CancelledRun(TinyTask.Model(4), options, epoch: 2, step: 4);
        RetrainProgress? first = null;
        var result = Run(options with { Progress = new Told<RetrainProgress>(p => first ??= p) });
        var epoch = result.Epochs[1];
        Assert.AreEqual((true, 2, 4, epoch.Loss, epoch.TrainingTop1), (first!.EpochEnded, first.Epoch, first.Step, first.Loss, first.TrainingTop1));
    }

    /// <summary>Without validation images the weights after the last step are returned, also by a process that takes none.</summary>
    [TestMethod]
    public void AResumedRunThatIsCancelledAtOnceReturnsTheLatestWeights()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors") };
        using var cancel = new CancellationTokenSource();
        var first = Train(options with { Progress = RepeatedRuns.CancelAfter(cancel, epoch: 2, step: 2) });
        var again = Train(options);
        Assert.AreEqual((RetrainEnding.Cancelled, RetrainEnding.Cancelled, 1), (first.Ending, again.Ending, again.BestEpoch));
        TinyTask.AssertSameWeights(first.Model, again.Model, "after two steps of the second epoch");

        RetrainResult<VimModel> Train(RetrainOptions options) =>
            Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), null, options, cancellation: cancel.Token);
    }

    /// <summary>Killed twice in the middle of an epoch, the second time a process that had itself resumed.</summary>
    [TestMethod]
    public void AKilledRunResumes()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = folder.File("run.safetensors");
        KilledProcess.TrainAndKill(checkpoint, epoch: 2, step: 2);
        KilledProcess.TrainAndKill(checkpoint, epoch: 4, step: 3);
        RetrainProgress? first = null;
        var resumed = KilledProcess.Run(checkpoint, threads: 1, new Told<RetrainProgress>(p => first ??= p));
        Assert.AreEqual((4, 3, 14), (first!.Epoch, first.Step, first.ResumedAt), "after the last step of the optimizer");
        RepeatedRuns.AssertSame(KilledProcess.Run(null, threads: 1), resumed, "resumed");
    }

    /// <summary>Killed again and again wherever it was: at work, or writing its checkpoint.</summary>
    [TestMethod]
    public void ARunThatIsKilledAnywhereResumes()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = folder.File("run.safetensors");
        var random = new Random(1);
        for (int kill = 0; kill < 8; kill++)
            KilledProcess.TrainAndKill(checkpoint, steps: random.Next(4), later: TimeSpan.FromMilliseconds(random.NextDouble() * 12));
        RepeatedRuns.AssertSame(KilledProcess.Run(null, threads: 1), KilledProcess.Run(checkpoint, threads: 2), "resumed");
        Assert.HasCount(1, Directory.GetFileSystemEntries(folder.Path), "nothing but the checkpoint is left");
    }

    [TestMethod]
    public void AFinishedRunReturnsItsResultAtOnce()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors") };
        var first = Run(options);
        var again = Run(options with { Progress = new Told<RetrainProgress>(_ => Assert.Fail("nothing is left to do")) });
        RepeatedRuns.AssertSame(first, again, "again");
        Assert.AreEqual((first.BestEpoch, first.BestTop1), (again.BestEpoch, again.BestTop1));
    }

    private static RetrainResult<VimModel> Run(RetrainOptions options) => RepeatedRuns.Run(TinyTask.Model(4), options);
}

using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The same weights to the last bit, from any number of threads, and from a run that was interrupted.</summary>
[TestClass]
public sealed class DeterminismTests
{
    // Random crops, a teacher, and a last batch that is smaller than the number of lanes.
    private static readonly RetrainOptions s_options = TinyTask.Options with { Epochs = 3, BatchSize = 20, TeacherLossWeight = 0.5, MinimumCropArea = 0.3 };

    private static readonly Lazy<RetrainResult<VimModel>> s_uninterrupted = new(() => Run(s_options));

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    public void ThreadsDoNotMatter(int threads)
    {
        var result = Run(s_options with { Threads = threads });
        TinyTask.AssertSameWeights(s_uninterrupted.Value.Model, result.Model, $"{threads} threads");
        CollectionAssert.AreEqual(Curve(s_uninterrupted.Value), Curve(result));
    }

    [TestMethod]
    public void LanesAndSeedDo()
    {
        Assert.IsFalse(Run(s_options with { Lanes = 3 }).Model.Weights.Values.AsSpan().SequenceEqual(s_uninterrupted.Value.Model.Weights.Values), "lanes");
        Assert.IsFalse(Run(s_options with { Seed = 8 }).Model.Weights.Values.AsSpan().SequenceEqual(s_uninterrupted.Value.Model.Weights.Values), "seed");
        TinyTask.AssertSameWeights(s_uninterrupted.Value.Model, Run(s_options with { Lanes = 8 }).Model, "8 lanes are the default");
    }

    /// <summary>Shuffles are drawn anew for every image of every epoch, and are the same from any number of threads; the trained model classifies by fixed ones.</summary>
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
            return Retrainer.Run(model, TinyTask.Images(65, seed: 1), TinyTask.Images(30, seed: 2), s_options with { Epochs = 1, Threads = threads }).Model;
        }
    }

    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 3)]
    [DataRow(3, 2)]
    public void ACancelledRunResumes(int epoch, int step)
    {
        using var folder = new TemporaryFolder();
        using var cancel = new CancellationTokenSource();
        var options = s_options with
        {
            CheckpointPath = folder.File("run.safetensors"),
            Progress = new Told<RetrainProgress>(p =>
            {
                if ((p.Epoch, p.Step) == (epoch, step)) cancel.Cancel();
            }),
        };
        var cancelled = Run(options, cancel.Token);
        Assert.IsTrue(cancelled.Cancelled);
        Assert.HasCount(epoch - 1, cancelled.Epochs);

        var resumed = Run(options with { Progress = null, Threads = 2 });
        Assert.IsFalse(resumed.Cancelled);
        TinyTask.AssertSameWeights(s_uninterrupted.Value.Model, resumed.Model, "resumed");
        CollectionAssert.AreEqual(Curve(s_uninterrupted.Value), Curve(resumed));
        Assert.AreEqual(s_uninterrupted.Value.StartTop1, resumed.StartTop1);
    }

    /// <summary>Killed twice in the middle of an epoch, the second time a process that had itself resumed.</summary>
    [TestMethod]
    public void AKilledRunResumes()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = folder.File("run.safetensors");
        KilledProcess.TrainAndKill(checkpoint, epoch: 2, step: 2);
        KilledProcess.TrainAndKill(checkpoint, epoch: 4, step: 1);
        int first = 0;
        var resumed = KilledProcess.Run(checkpoint, threads: 1, new Told<RetrainProgress>(p => first = first == 0 ? p.Epoch : first));
        Assert.AreEqual(4, first, "resumed after the last finished epoch");
        var uninterrupted = KilledProcess.Run(null, threads: 1);
        TinyTask.AssertSameWeights(uninterrupted.Model, resumed.Model, "resumed");
        CollectionAssert.AreEqual(Curve(uninterrupted), Curve(resumed));
    }

    [TestMethod]
    public void AFinishedRunReturnsItsResultAtOnce()
    {
        using var folder = new TemporaryFolder();
        var options = s_options with { CheckpointPath = folder.File("run.safetensors") };
        var first = Run(options);
        var again = Run(options with { Progress = new Told<RetrainProgress>(_ => Assert.Fail("nothing is left to do")) });
        TinyTask.AssertSameWeights(first.Model, again.Model, "again");
        Assert.AreEqual((first.BestEpoch, first.BestTop1, first.StartTop1), (again.BestEpoch, again.BestTop1, again.StartTop1));
        CollectionAssert.AreEqual(Curve(first), Curve(again));
    }

    private static double[] Curve(RetrainResult<VimModel> result) => [.. result.Epochs.SelectMany(e => new[] { e.Loss, e.ValidationTop1!.Value })];

    private static RetrainResult<VimModel> Run(RetrainOptions options, CancellationToken cancellation = default) =>
        Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), TinyTask.Images(30, seed: 2), options, cancellation: cancellation);
}

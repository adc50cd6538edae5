using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Cancellation, progress, divergence, and what is refused.</summary>
[TestClass]
public sealed class RetrainerTests
{
    private static readonly ImageSet s_train = TinyTask.Images(60, seed: 1);
    private static readonly ImageSet s_validation = TinyTask.Images(30, seed: 2);

    [TestMethod]
    public void CancelledBeforeTheStartNothingIsDone()
    {
        var model = TinyTask.Model();
        var result = Retrainer.Run(model, s_train, s_validation, TinyTask.Options, cancellation: new CancellationToken(canceled: true));
        Assert.AreEqual((true, 0, 0), (result.Cancelled, result.BestEpoch, result.Epochs.Count));
        Assert.IsNull(result.StartTop1);
        Assert.IsNull(result.BestTop1);
        TinyTask.AssertSameWeights(model, result.Model, "the start weights");
    }

    [TestMethod]
    public void CancelledWithoutValidationTheLatestWeightsAreKept()
    {
        var twoSteps = Cancelled(null, epoch: 1, step: 2);
        Assert.AreEqual((true, 0, 0), (twoSteps.Cancelled, twoSteps.BestEpoch, twoSteps.Epochs.Count));
        Assert.IsFalse(twoSteps.Model.Weights.Values.AsSpan().SequenceEqual(TinyTask.Model().Weights.Values), "not the start weights");
        TinyTask.AssertSameWeights(twoSteps.Model, Cancelled(null, epoch: 1, step: 2).Model, "the same every time");
        Assert.IsFalse(twoSteps.Model.Weights.Values.AsSpan().SequenceEqual(Cancelled(null, epoch: 1, step: 3).Model.Weights.Values), "a step later");
    }

    /// <summary>Those that the checkpoint has, where a resumed run is cancelled before it takes a step.</summary>
    [TestMethod]
    public void CancelledAgainAtOnceTheLatestWeightsAreKept()
    {
        using var folder = new TemporaryFolder();
        using var cancel = new CancellationTokenSource();
        var options = TinyTask.Options with { Epochs = 5, CheckpointPath = folder.File("run.safetensors") };
        var progress = RepeatedRuns.CancelAfter(cancel, epoch: 2, step: 2);
        var first = Retrainer.Run(TinyTask.Model(), s_train, null, options with { Progress = progress }, cancellation: cancel.Token);
        var second = Retrainer.Run(TinyTask.Model(), s_train, null, options, cancellation: cancel.Token);
        Assert.AreEqual((1, 1), (first.BestEpoch, second.BestEpoch));
        TinyTask.AssertSameWeights(first.Model, second.Model, "after epoch 2, step 2");
        TinyTask.AssertSameWeights(Cancelled(null, epoch: 2, step: 2).Model, second.Model, "as without a checkpoint");
    }

    [TestMethod]
    public void CancelledWithValidationTheBestEpochIsKept()
    {
        var result = Cancelled(s_validation, epoch: 3, step: 2);
        Assert.IsTrue(result.Cancelled);
        Assert.HasCount(2, result.Epochs);
        Assert.IsLessThanOrEqualTo(2, result.BestEpoch);
        Assert.AreEqual(result.BestTop1, TinyTask.Top1(result.Model, s_validation));
    }

    /// <summary>From another thread, in the middle of a batch of many images: back before the batch is done.</summary>
    [TestMethod]
    public void CancellationComesWithinABatch()
    {
        using var cancel = new CancellationTokenSource();
        var images = new ImageSet(s_train.Store, [.. Enumerable.Repeat(s_train.Indices, 1000).SelectMany(i => i)]);
        var options = TinyTask.Options with { Epochs = 1, BatchSize = images.Count };
        // A thread and no timer: that would wait for the thread pool, which other tests may keep busy until the batch is done.
        var canceller = new Thread(() =>
        {
            Thread.Sleep(50);
            cancel.Cancel();
        });
        canceller.Start();
        var result = Retrainer.Run(TinyTask.Model(), images, null, options, cancellation: cancel.Token);
        canceller.Join();
        Assert.IsTrue(result.Cancelled);
        TinyTask.AssertSameWeights(TinyTask.Model(), result.Model, "no step was finished");
    }

    [TestMethod]
    public void ProgressAddsUp()
    {
        var told = new List<RetrainProgress>();
        int thread = Environment.CurrentManagedThreadId;
        var options = TinyTask.Options with
        {
            Epochs = 2,
            BatchSize = 25,
            WarmupEpochs = 1,
            Threads = 2,
            Progress = new Told<RetrainProgress>(p =>
            {
                Assert.AreEqual(thread, Environment.CurrentManagedThreadId, "told on the calling thread");
                told.Add(p);
            }),
        };
        var result = Retrainer.Run(TinyTask.Model(), s_train, s_validation, options);

        string[] expected = ["0:0 end", "1:1", "1:2", "1:3", "1:3 end", "2:1", "2:2", "2:3", "2:3 end"];
        CollectionAssert.AreEqual(expected, told.Select(p => $"{p.Epoch}:{p.Step}{(p.EpochEnded ? " end" : "")}").ToArray());
        Assert.IsNull(told[0].Remaining);
        Assert.AreEqual(TimeSpan.Zero, told[^1].Remaining);
        Assert.IsTrue(told.All(p => (p.Epochs, p.Steps) == (2, 3)));
        Assert.IsTrue(told.Skip(1).All(p => p.ImagesPerSecond > 0 && double.IsFinite(p.ImagesPerSecond) && p.Loss > 0 && p.Remaining >= TimeSpan.Zero));
        Assert.IsTrue(told.Zip(told.Skip(1)).All(pair => pair.First.Elapsed <= pair.Second.Elapsed));
        double?[] accuracies = [result.StartTop1, result.Epochs[0].ValidationTop1, result.Epochs[1].ValidationTop1];
        CollectionAssert.AreEqual(accuracies, told.Where(p => p.EpochEnded).Select(p => p.ValidationTop1).ToArray());
        Assert.AreEqual(result.Epochs[1].Loss, told[^1].Loss);
        int[] images = [25, 25, 10];
        for (int i = 1; i <= 3; i++)
            Assert.AreEqual(told[i].Loss, told[1..(i + 1)].Zip(images, (p, n) => p.StepLoss * n).Sum() / images[..i].Sum(), 1e-6, "mean of the steps");
        Assert.AreEqual(result.Epochs[1].TrainingTop1, told[^1].TrainingTop1);
        Assert.IsTrue(told.Skip(1).All(p => p.TrainingTop1 is >= 0 and <= 1 && p.ResumedAt == 0 && p.BestTop1 >= result.StartTop1));
        Assert.AreEqual((result.BestTop1, result.BestEpoch), (told[^1].BestTop1, told[^1].BestEpoch));
        double[] rates = [1e-3, 2e-3, 3e-3];
        for (int i = 0; i < 3; i++) Assert.AreEqual(rates[i], told[i + 1].LearningRate, 1e-12);
        StringAssert.StartsWith(told[0].ToString(), "before training, validation top-1");
        StringAssert.StartsWith(told[2].ToString(), "epoch 1/2, step 2/3, loss ");
        StringAssert.EndsWith(told[^1].ToString(), "0:00:00 left");
    }

    [TestMethod]
    public void AnExceptionOfTheListenerReachesTheCaller()
    {
        var options = TinyTask.Options with { Progress = new Told<RetrainProgress>(_ => throw new NotSupportedException("stop")) };
        Assert.ThrowsExactly<NotSupportedException>(() => Retrainer.Run(TinyTask.Model(), s_train, null, options));
    }

    [TestMethod]
    public void ADivergedRunStopsAndTheCheckpointIsIntact()
    {
        using var folder = new TemporaryFolder();
        var weights = TinyTask.Model();
        // Sound weights and decays, but a rate at which weights overflow: decoupled decay multiplies every weight by 1 − 10 · 10 a step.
        var options = TinyTask.Options with
        {
            Epochs = 6,
            LearningRate = 10,
            WeightDecay = 10,
            MinimumLearningRate = 10,
            CheckpointPath = folder.File("run.safetensors"),
        };
        byte[] lastGood = [];
        var told = new Told<RetrainProgress>(p =>
        {
            if (p.EpochEnded) lastGood = File.ReadAllBytes(options.CheckpointPath);
        });
        var e = Assert.ThrowsExactly<TrainingDivergedException>(() => Retrainer.Run(weights, s_train, null, options with { Progress = told }));
        Assert.AreEqual(10, e.LearningRate);
        Assert.IsTrue(e.Epoch >= 1 && e.Step >= 1);
        StringAssert.Contains(e.Message, $"at epoch {e.Epoch}, step {e.Step}, with learning rate 1e+1");
        if (lastGood.Length > 0) CollectionAssert.AreEqual(lastGood, File.ReadAllBytes(options.CheckpointPath!));
        Assert.IsTrue(File.Exists(options.CheckpointPath));
        Assert.ThrowsExactly<TrainingDivergedException>(
            () => Retrainer.Run(weights, s_train, null, options), "the checkpoint loads, and the run diverges again");
    }

    /// <summary>A single step has no loss after it that could show what it did.</summary>
    [TestMethod]
    public void WeightsThatTheLastStepBrokeAreNotKept()
    {
        var model = TinyTask.Model();
        model.Weights["layers.0.mixer.A_log"].Fill(1e37f); // a state that forgets at once, and a decay of the weight that overflows
        var options = TinyTask.Options with { Epochs = 1, BatchSize = 60, LearningRate = 10, MinimumLearningRate = 10, WeightDecay = 10 };
        var e = Assert.ThrowsExactly<TrainingDivergedException>(() => Retrainer.Run(model, s_train, null, options));
        StringAssert.StartsWith(e.Message, "A weight or a moment of the optimizer is no longer a finite number at epoch 1, step 1, with learning rate 1e+1.");
    }

    [TestMethod]
    public void ALabelThatIsNoClassIsNamed()
    {
        var store = new ImageStore();
        store.Add(s_train.Store.Read(0), 2, "good.png");
        store.Add(s_train.Store.Read(1), 3, "bad.png");
        store.Add(s_train.Store.Read(1), -1, "none.png");
        var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), new ImageSet(store), null, TinyTask.Options));
        StringAssert.Contains(e.Message, "Image 'bad.png' of the training images has label 3; the network has classes 0 to 2.");
        e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), s_train, new ImageSet(store, [0, 2]), TinyTask.Options));
        StringAssert.Contains(e.Message, "Image 'none.png' of the validation images has label -1");
        Assert.AreEqual(2, new ImageSet(store).Count, "images without a label are left out");
    }

    [TestMethod]
    public void ASetWithoutImagesIsRefused()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), new ImageSet(new ImageStore()), null, TinyTask.Options));
        StringAssert.Contains(e.Message, "There are no training images");
    }

    [TestMethod]
    public void ATeacherThatDoesNotFitIsRefused()
    {
        var options = TinyTask.Options with { TeacherLossWeight = 1 };
        Refused(TinyTask.Model().WithHead(["top", "middle"], seed: 1), "2 classes and the network 3");
        Refused(TinyTask.Model().WithHead(["middle", "top", "bottom"], seed: 1), "names or order differ");
        Refused(TinyTask.Model().WithImageSize(32, 24), "24×32 pixels and the network 24×24");

        void Refused(VimModel teacher, string message)
        {
            var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), s_train, null, options, teacher));
            StringAssert.Contains(e.Message, message);
        }
    }

    [TestMethod]
    public void BatchesLargerThanTheSetAndLanesWithoutImagesWork()
    {
        var few = new ImageSet(s_train.Store, [0, 1, 2]);
        var result = Retrainer.Run(TinyTask.Model(), few, null, TinyTask.Options with { Epochs = 1, BatchSize = 500, Threads = 2 });
        Assert.IsTrue(result.Model.Weights.Values.All(float.IsFinite));
        Assert.HasCount(1, result.Epochs);
    }

    private static RetrainResult<VimModel> Cancelled(ImageSet? validation, int epoch, int step)
    {
        using var cancel = new CancellationTokenSource();
        var options = TinyTask.Options with { Epochs = 5, Progress = RepeatedRuns.CancelAfter(cancel, epoch, step) };
        return Retrainer.Run(TinyTask.Model(), s_train, validation, options, cancellation: cancel.Token);
    }
}

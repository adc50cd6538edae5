using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Runs that end before all epochs are done, and what the transformer and the log say of it.</summary>
[TestClass]
public sealed class StageLongRunTests
{
    private const int Never = 100_000;
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-long-").FullName;

    private sealed class Told(Action<RetrainProgress> action) : IProgress<RetrainProgress>
    {
        public void Report(RetrainProgress value) => action(value);
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options) =>
        _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, 30, wholePaths: true));

    [TestMethod]
    public void ATimeBudgetEndsTheRun()
    {
        foreach (bool ofTheStage in (bool[])[true, false])
        {
            var log = Tiny.Log(_ml);
            var options = Tiny.Options(Never);
            var budget = TimeSpan.FromSeconds(1);
            if (ofTheStage) options.TimeBudget = budget;
            else options.Retraining = options.Retraining with { TimeBudget = budget };
            using var fitted = Fit(options);
            Assert.AreEqual(RetrainEnding.OutOfTime, fitted.Retraining!.Ending);
            Assert.IsLessThan(Never, fitted.Retraining.Epochs.Count);
            Tiny.HasLine(log, "Ended: the time budget of 00:00:01 is used up");
            Assert.HasCount(5, Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 5, wholePaths: true))));
        }
        Tiny.Throws<ArgumentOutOfRangeException>(() => Tiny.Options().TimeBudget = TimeSpan.Zero, "TimeBudget is 00:00:00", "1 ms");
    }

    [TestMethod]
    public void PatienceEndsARunThatGetsNoBetter()
    {
        var log = Tiny.Log(_ml);
        var options = Tiny.Options(Never);
        options.Retraining = options.Retraining with { LearningRate = 0, MinimumLearningRate = 0, Patience = 2 };
        using var fitted = Fit(options);
        Assert.AreEqual((RetrainEnding.NoBetter, 0), (fitted.Retraining!.Ending, fitted.Retraining.BestEpoch));
        Assert.HasCount(2, fitted.Retraining.Epochs);
        Tiny.HasLine(log, "Ended: no better validation in 2 epochs in a row");
        options.ValidationFraction = 0;
        Tiny.Throws<ArgumentException>(() => Fit(options), "Patience is 2", "no validation images");
    }

    [TestMethod]
    [DataRow(0.1, "validation top-1")]
    [DataRow(0, "training top-1")]
    public void EveryEpochIsInTheLogWithItsSpeedLossAccuracyAndTimeLeft(double validation, string top1)
    {
        var log = Tiny.Log(_ml);
        var options = Tiny.Options(epochs: 3);
        options.ValidationFraction = validation;
        using var fitted = Fit(options);
        Assert.AreEqual(RetrainEnding.Completed, fitted.Retraining!.Ending);
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            string line = log.Single(line => line.Contains($"epoch {epoch}/3"));
            foreach (string part in (string[])["images/s", "loss", top1, "left"]) Assert.Contains(part, line);
        }
    }

    /// <summary>Cancelled inside an epoch, fitted again: the bits of a run that was not cancelled, from the step where it stopped.</summary>
    [TestMethod]
    public void ACancelledFitGoesOnInsideTheEpoch()
    {
        VimMergedClassifierOptions Options(string? path)
        {
            var options = Tiny.Options(epochs: 3);
            options.Retraining = options.Retraining with { BatchSize = 4, CheckpointPath = path };
            return options;
        }
        using var whole = Fit(Options(null));
        string path = Path.Combine(_folder, "run.checkpoint");
        using var stop = new CancellationTokenSource();
        var stopped = Options(path);
        (stopped.CancellationToken, stopped.Progress) = (stop.Token, new Told(progress =>
        {
            if (progress is { Epoch: 2, Step: 3 }) stop.Cancel();
        }));
        using (var partial = Fit(stopped)) Assert.AreEqual(RetrainEnding.Cancelled, partial.Retraining!.Ending);
        RetrainProgress? first = null;
        var log = Tiny.Log(_ml);
        var resumed = Options(path);
        resumed.Progress = new Told(progress => first ??= progress);
        using var fitted = Fit(resumed);
        Assert.AreEqual((2, 4), (first!.Epoch, first.Step));
        Assert.AreEqual(7 + 3, first.ResumedAt);
        Tiny.HasLine(log, "Resumed from the training checkpoint, after 10 steps");
        Assert.IsTrue(whole.Model.Weights.Values.AsSpan().SequenceEqual(fitted.Model.Weights.Values));
    }
}

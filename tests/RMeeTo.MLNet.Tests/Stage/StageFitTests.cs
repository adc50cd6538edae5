using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>What Fit does beside its errors: training, validation, progress, cancellation, determinism.</summary>
[TestClass]
public sealed class StageFitTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Told(Action<RetrainProgress> action) : IProgress<RetrainProgress>
    {
        public void Report(RetrainProgress value) => action(value);
    }

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options, int count = 30) =>
        _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, count, wholePaths: true));

    [TestMethod]
    public void NoEpochsMergesOnly()
    {
        var options = Tiny.MergeOnly(Pictures.Classes);
        using var fitted = Fit(options);
        Assert.IsNull(fitted.Retraining);
        Assert.AreEqual(4, fitted.Schedule.Steps[0].Removed);
        Assert.IsTrue(options.Model!.Schedule.IsDense);
        Assert.IsTrue(fitted.Model.Weights.Values.AsSpan().SequenceEqual(options.Model.Weights.Values));
        Assert.AreNotSame(options.Model.Weights, fitted.Model.Weights);
    }

    [TestMethod]
    public void NoEpochsReadsNoImage()
    {
        var rows = _ml.Data.LoadFromEnumerable(Pictures.Classes.Select(name => new PathRow { Label = name, ImagePath = "absent.png" }));
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes))).Fit(rows);
        Assert.HasCount(3, fitted.ClassNames);
        Tiny.Throws<InvalidOperationException>(() => _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes)))
            .Fit(_ml.Data.TakeRows(rows, 1)), "has 1 class in 1 rows");
    }

    [TestMethod]
    public void ThreadsChangeNoBit()
    {
        var (one, three) = (Tiny.Options(epochs: 2), Tiny.Options(epochs: 2));
        (one.Threads, three.Threads) = (1, 3);
        using VimMergedClassifierTransformer a = Fit(one), b = Fit(three);
        Assert.IsTrue(a.Model.Weights.Values.AsSpan().SequenceEqual(b.Model.Weights.Values));
        var data = Tiny.Data(_ml, 60, 20, wholePaths: true);
        Tiny.AreSame(Tiny.Read(_ml, a.Transform(data)), Tiny.Read(_ml, b.Transform(data)));
    }

    [TestMethod]
    public void RetrainsFromACheckpointWithItsTeacher()
    {
        string path = Path.Combine(Path.GetTempPath(), $"rmeeto-{Guid.NewGuid():N}.safetensors");
        try
        {
            Tiny.Classifier.SaveCheckpoint(path);
            var log = Tiny.Log(_ml);
            var options = new VimMergedClassifierOptions
                { Checkpoint = path, TokensPerMerge = 6, Epochs = 1, Retraining = Tiny.Options().Retraining with { LearningRate = 1e-4 } };
            using var fitted = Fit(options, 60);
            Tiny.HasLine(log, "Head kept: 3 classes");
            Tiny.HasLine(log, "Device: CPU");
            Tiny.HasLine(log, "epoch 1/1");
            Assert.IsFalse(log.Any(line => line.Contains("No distillation")));
            Assert.AreEqual(6, fitted.Schedule.Steps[0].Removed);
            options.TokensPerMerge = null;
            using var asSaved = Fit(options, 12);
            Assert.AreEqual(4, asSaved.Schedule.Steps[0].Removed);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestMethod]
    public void ProgressIsTold()
    {
        var seen = new List<RetrainProgress>();
        var options = Tiny.Options(epochs: 2);
        options.Progress = new Told(seen.Add);
        using var fitted = Fit(options);
        Assert.AreEqual(2, seen[^1].Epoch);
        Assert.IsTrue(seen[^1].EpochEnded);
        Assert.IsNotNull(seen[^1].ValidationTop1);
        Assert.HasCount(2, fitted.Retraining!.Epochs);
    }

    [TestMethod]
    public void ValidationByColumnByViewOrNotAtAll()
    {
        var log = Tiny.Log(_ml);
        var options = Tiny.Options(epochs: 1);
        options.ValidationColumnName = "Held";
        using (Fit(options)) Tiny.HasLine(log, "24 images to train, 6 to validate");
        options = Tiny.Options(epochs: 1);
        options.ValidationData = _ml.Data.LoadFromEnumerable(Pictures.Rows(61, 9, wholePaths: true)
            .Append(new PathRow { Label = "lava", ImagePath = Pictures.Rows(0, 1, true)[0].ImagePath }));
        using (Fit(options)) Tiny.HasLine(log, "30 images to train, 9 to validate");
        Tiny.HasLine(log, "1 validation rows have classes that the training rows do not have");
        options = Tiny.Options(epochs: 1);
        options.ValidationFraction = 0;
        using (var fitted = Fit(options)) Assert.IsNull(fitted.Retraining!.BestTop1);
        Tiny.HasLine(log, "30 images to train, 0 to validate");
        options.ValidationColumnName = "Held";
        var held = _ml.Data.LoadFromEnumerable(Pictures.Rows(0, 60, wholePaths: true).Where(row => row.Held));
        Tiny.Throws<InvalidOperationException>(() => _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(held), "no training images", "all 12 rows",
            "'Held'");
        options.ValidationColumnName = "Label";
        Tiny.Throws<ArgumentOutOfRangeException>(() => Fit(options), "'Label'", "Boolean");
        options.ValidationColumnName = null;
        options.ValidationData = _ml.Data.LoadFromEnumerable(new PathRow[] { new() { Label = "lava", ImagePath = Pictures.Rows(0, 1, true)[0].ImagePath } });
        Tiny.Throws<InvalidOperationException>(() => Fit(options), "ValidationData", "by value");
    }

    [TestMethod]
    public void ImagesBeyondTheBudgetGoToATemporaryFile()
    {
        using var plenty = Fit(Tiny.Options(epochs: 1));
        var options = Tiny.Options(epochs: 1);
        options.Threads = 1;
        options.MemoryBudget = RetrainMemory.Estimate(Tiny.Config, MergeSchedule.Uniform(Tiny.Config, 4), options.Retraining, threads: 1) + 10_000;
        var log = Tiny.Log(_ml);
        using var little = Fit(options);
        Tiny.HasLine(log, "0 MB in memory, 0 MB in a temporary file");
        Assert.IsTrue(plenty.Model.Weights.Values.AsSpan().SequenceEqual(little.Model.Weights.Values));
    }

    [TestMethod]
    public void CancellingKeepsTheBestWeights()
    {
        using var source = new CancellationTokenSource();
        var options = Tiny.Options(epochs: 50);
        options.CancellationToken = source.Token;
        options.Progress = new Told(progress =>
        {
            if (progress is { Epoch: 3, EpochEnded: true }) source.Cancel();
        });
        var log = Tiny.Log(_ml);
        using var fitted = Fit(options);
        Assert.IsTrue(fitted.Retraining!.Cancelled);
        Assert.HasCount(3, fitted.Retraining.Epochs);
        Tiny.HasLine(log, "Warning: Cancelled; the best weights so far are kept");
        Assert.HasCount(5, Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 5, wholePaths: true))));
        Assert.Throws<OperationCanceledException>(() => Fit(options)); // cancelled before it begins
    }

    [TestMethod]
    public void CancelExecutionOfTheContextIsHeard()
    {
        var options = Tiny.Options(epochs: 5000);
        var cancel = typeof(MLContext).GetMethod("CancelExecution",
            System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Public)!;
        options.Progress = new Told(progress =>
        {
            if (progress is { Epoch: 1, EpochEnded: true }) cancel.Invoke(_ml, null);
        });
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(new MLContext(), 0, 30, wholePaths: true));
        Assert.IsTrue(fitted.Retraining!.Cancelled);
    }

    [TestMethod]
    public void GpuThatIsNotThere()
    {
        var options = Tiny.Options(epochs: 1);
        (options.GpuDeviceId, options.FallbackToCpu) = (0, false);
        Tiny.Throws<InvalidOperationException>(() => Fit(options), "GPU 0", "RMeeTo.TorchSharp", "FallbackToCpu");
        var log = Tiny.Log(_ml);
        (_ml.GpuDeviceId, _ml.FallbackToCpu) = (1, true);
        (options.GpuDeviceId, options.FallbackToCpu) = (null, null);
        using var fitted = Fit(options);
        Tiny.HasLine(log, "Warning: GPU 1 cannot be used");
        _ml.FallbackToCpu = false; // as of now, not as of the time when it was fitted
        Tiny.Throws<InvalidOperationException>(() => Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 3, wholePaths: true))), "GPU 1");
        _ml.GpuDeviceId = null;
        Assert.HasCount(3, Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 3, wholePaths: true))));
    }
}

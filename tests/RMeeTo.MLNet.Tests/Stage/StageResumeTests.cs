using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>A Fit that was stopped goes on where it was, and ends with the same bits; for images and for clips.</summary>
[TestClass]
public sealed class StageResumeTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-resume-").FullName;

    private sealed class Reporter(Action<RetrainProgress> report) : IProgress<RetrainProgress>
    {
        public void Report(RetrainProgress value) => report(value);
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Images() => StopsAndGoesOn(() => Tiny.FromPaths(Tiny.Options(epochs: 3)), Tiny.Data(_ml, 0, 30, wholePaths: true));

    [TestMethod]
    public void ClipsOfManyFrames() => StopsAndGoesOn(() =>
    {
        var options = Tiny.Options(epochs: 3);
        (options.Config, options.ImageColumnName) = (Clips.Config, "Clip");
        return options;
    }, _ml.Data.LoadFromEnumerable(Clips.Rows(0, 24)));

    private void StopsAndGoesOn(Func<VimMergedClassifierOptions> options, IDataView data)
    {
        float[] expected = Fit(options(), data, out _);
        string path = Path.Combine(_folder, "run.checkpoint");

        using var stop = new CancellationTokenSource();
        var stopped = options();
        stopped.Retraining = stopped.Retraining with { CheckpointPath = path };
        (stopped.CancellationToken, stopped.Progress) = (stop.Token, new Reporter(progress =>
        {
            if (progress is { EpochEnded: true, Epoch: 1 }) stop.Cancel();
        }));
        Fit(stopped, data, out var partial);
        Assert.IsTrue(partial.Cancelled);
        Assert.HasCount(1, partial.Epochs);

        int first = int.MaxValue;
        var resumed = options();
        resumed.Retraining = resumed.Retraining with { CheckpointPath = path };
        resumed.Progress = new Reporter(progress => first = progress.EpochEnded ? first : Math.Min(first, progress.Epoch));
        float[] actual = Fit(resumed, data, out var whole);
        Assert.HasCount(3, whole.Epochs);
        Assert.AreEqual(2, first, "it goes on, and does not begin again");
        CollectionAssert.AreEqual(expected, actual);
    }

    private float[] Fit(VimMergedClassifierOptions options, IDataView data, out RetrainResult<VimModel> result)
    {
        using var classifier = _ml.Transforms.VimMergedClassifier(options).Fit(data);
        result = classifier.Retraining!;
        return [.. classifier.Model.Weights.Values];
    }
}

using Microsoft.ML;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The stage on a GPU, which is played by the CPU: where a model was trained has no part in it.</summary>
[TestClass]
public sealed class StageGpuTests
{
    private static readonly string s_provider = typeof(StageGpu).AssemblyQualifiedName!;

    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-gpu-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private static VimMergedClassifierOptions OnGpu(VimMergedClassifierOptions options)
    {
        (options.GpuDeviceId, options.FallbackToCpu, options.GpuProviderType) = (0, false, s_provider);
        return options;
    }

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options) =>
        _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, 30, wholePaths: true));

    private VimMergedClassifierTransformer Reloaded(VimMergedClassifierTransformer fitted, MLContext ml)
    {
        string zip = Path.Combine(_folder, $"{Guid.NewGuid():N}.zip");
        _ml.Model.Save(fitted, null, zip);
        var loaded = ml.Model.Load(zip, out _);
        return loaded as VimMergedClassifierTransformer ?? ((IEnumerable<ITransformer>)loaded).OfType<VimMergedClassifierTransformer>().Single();
    }

    /// <summary>Trained on one, saved, loaded and used on the other: to the bit, for these two have the same numbers.</summary>
    [TestMethod]
    public void TrainedOnAGpuUsedOnTheCpu()
    {
        var log = Tiny.Log(_ml);
        int before = StageGpu.Made.Count;
        using var fitted = Fit(OnGpu(Tiny.Options(epochs: 2)));
        Tiny.HasLine(log, "Device: stage GPU, Float32.");
        Assert.AreEqual(before + 1, StageGpu.Made.Count);
        var data = Tiny.Data(_ml, 60, 20, wholePaths: true);
        var onGpu = Tiny.Read(_ml, fitted.Transform(data));
        Assert.AreEqual(before + 2, StageGpu.Made.Count, "chosen anew for Transform, once");
        Tiny.Read(_ml, fitted.Transform(data));
        Assert.AreEqual(before + 2, StageGpu.Made.Count);

        var other = new MLContext();
        var otherLog = Tiny.Log(other);
        using var loaded = Reloaded(fitted, other);
        Tiny.AreSame(onGpu, Tiny.Read(other, loaded.Transform(Tiny.Data(other, 60, 20, wholePaths: true))));
        Tiny.HasLine(otherLog, "Device: CPU");
        Assert.AreEqual(before + 2, StageGpu.Made.Count, "nobody asked for a GPU there");
    }

    /// <summary>After Fit, and with the transformer, its last cursor not forgotten.</summary>
    [TestMethod]
    public void TheGpuIsGivenBack()
    {
        var before = StageGpu.Made.ToHashSet();
        StageGpu Newest() => StageGpu.Made.Single(before.Add);
        var log = Tiny.Log(_ml);
        var fitted = Fit(OnGpu(Tiny.Options(epochs: 1)));
        Assert.IsTrue(Newest().IsDisposed, "after Fit");
        Tiny.HasLine(log, "Warning: GPU 0 is slower than it could be: the kernels have the day off.");
        var view = fitted.Transform(Tiny.Data(_ml, 60, 20, wholePaths: true));
        var cursor = view.GetRowCursor(view.Schema);
        Assert.IsTrue(cursor.MoveNext());
        var scoring = Newest();
        fitted.Dispose();
        Assert.IsFalse(scoring.IsDisposed, "a cursor is open");
        Assert.IsTrue(cursor.MoveNext());
        cursor.Dispose();
        Assert.IsTrue(scoring.IsDisposed);

        var broken = OnGpu(Tiny.Options(epochs: 1));
        broken.Progress = new Progress(() => throw new InvalidOperationException("no more"));
        Tiny.Throws<InvalidOperationException>(() => Fit(broken), "no more");
        Assert.IsTrue(Newest().IsDisposed, "after a Fit that failed");
    }

    private sealed class Progress(Action told) : IProgress<RetrainProgress>
    {
        public void Report(RetrainProgress value) => told();
    }

    [TestMethod]
    public void TrainedOnTheCpuUsedOnAGpu()
    {
        using var fitted = Fit(Tiny.Options(epochs: 1));
        var data = Tiny.Data(_ml, 60, 20, wholePaths: true);
        var expected = Tiny.Read(_ml, fitted.Transform(data));
        using var loaded = Reloaded(fitted, _ml);
        loaded.Renew(options => options with { Gpu = new() { ProviderType = s_provider } });
        (_ml.GpuDeviceId, _ml.FallbackToCpu) = (0, false);
        loaded.GpuMatrixPrecision = MatrixPrecision.TensorFloat32;
        var log = Tiny.Log(_ml);
        Tiny.AreSame(expected, Tiny.Read(_ml, loaded.Transform(data)));
        Tiny.HasLine(log, "Device: stage GPU, TensorFloat32.");
        using var engine = _ml.Model.CreatePredictionEngine<PathRow, Scored>(loaded, new PredictionEngineOptions { OwnsTransformer = false });
        CollectionAssert.AreEqual(expected[3].Score, engine.Predict(Pictures.Rows(63, 1, wholePaths: true)[0]).Score);
        _ml.GpuDeviceId = 1; // another GPU from now on, which there is not
        loaded.GpuMatrixPrecision = MatrixPrecision.BFloat16;
        Tiny.Throws<InvalidOperationException>(() => Tiny.Read(_ml, loaded.Transform(data)), "GPU 1", "this machine has no GPU 1");
        _ml.FallbackToCpu = true;
        Tiny.AreSame(expected, Tiny.Read(_ml, loaded.Transform(data)));
        Tiny.HasLine(log, "Warning: GPU 1 cannot be used: this machine has no GPU 1. The CPU is used instead.");
    }

    [TestMethod]
    public void NothingOfTheGpuIsStored()
    {
        var options = OnGpu(Tiny.MergeOnly(Pictures.Classes));
        options.GpuMatrixPrecision = MatrixPrecision.BFloat16;
        using var fitted = Fit(options);
        Assert.AreEqual(MatrixPrecision.BFloat16, fitted.GpuMatrixPrecision);
        using var loaded = Reloaded(fitted, new MLContext());
        Assert.AreEqual(MatrixPrecision.Float32, loaded.GpuMatrixPrecision);
        var engine = loaded.Engine;
        loaded.GpuMatrixPrecision = MatrixPrecision.Float32;
        Assert.AreSame(engine, loaded.Engine, "what was so already changes nothing");
        Assert.AreEqual(new GpuChoice(), loaded.Engine.Options.Gpu);
        Tiny.Throws<ArgumentOutOfRangeException>(() => loaded.GpuMatrixPrecision = (MatrixPrecision)9, "GpuMatrixPrecision is 9", "TensorFloat32");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.GpuMatrixPrecision = (MatrixPrecision)(-1), "GpuMatrixPrecision is -1");
    }

    /// <summary>Pixels of an image that cannot be read are not those of another.</summary>
    [TestMethod]
    public void UnreadableImagesAreMissingThere()
    {
        string damaged = Path.Combine(_folder, "damaged.png");
        File.WriteAllText(damaged, "no picture");
        var rows = Pictures.Rows(0, 14, wholePaths: true).ToArray();
        var data = _ml.Data.LoadFromEnumerable(rows.Select((row, i) =>
            new PathRow { Id = row.Id, Label = row.Label, ImagePath = i == 6 ? damaged : row.ImagePath }));
        var options = OnGpu(Tiny.MergeOnly(Pictures.Classes));
        using var strict = Fit(options);
        Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, strict.Transform(data)), "damaged.png");
        options.UnreadableImages = UnreadableImages.Missing;
        using var lenient = Fit(options);
        var good = Tiny.Read(_ml, lenient.Transform(_ml.Data.LoadFromEnumerable(rows)));
        var actual = Tiny.Read(_ml, lenient.Transform(data));
        Assert.IsTrue(actual[6].Score.All(float.IsNaN));
        for (int i = 0; i < rows.Length; i++)
            if (i != 6) CollectionAssert.AreEqual(good[i].Score, actual[i].Score);
    }

    [TestMethod]
    public void ClipsAndTheirViewsThere()
    {
        var options = new VimMergedClassifierOptions { Model = Clips.Classifier.Model, ImageColumnName = "Clip", TokensPerMerge = 4, Epochs = 0 };
        options.Views = new() { Times = 2, Crops = 3 };
        var clips = _ml.Data.LoadFromEnumerable(Clips.Rows(0, 7));
        using var onCpu = _ml.Transforms.VimMergedClassifier(options).Fit(clips);
        using var onGpu = _ml.Transforms.VimMergedClassifier(OnGpu(options)).Fit(clips);
        Tiny.AreSame(Tiny.Read(_ml, onCpu.Transform(clips)), Tiny.Read(_ml, onGpu.Transform(clips)));
    }

    [TestMethod]
    public void AScheduleIsFoundThere()
    {
        var log = Tiny.Log(_ml);
        VimMergedClassifierOptions Options() => new()
            { Model = Tiny.Classifier.Model, Target = MergeSchedule.ForSpeedup(1.2), TargetImages = 24, Epochs = 0, Retraining = Tiny.Options().Retraining };
        using VimMergedClassifierTransformer onCpu = Fit(Options()), onGpu = Fit(OnGpu(Options()));
        Tiny.HasLine(log, "Device: stage GPU");
        CollectionAssert.AreEqual(onCpu.Schedule.RemovedPerBlock.ToArray(), onGpu.Schedule.RemovedPerBlock.ToArray());
    }
}

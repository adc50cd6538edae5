using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Checkpoints.PyTorch;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Official checkpoints through the stage: a training checkpoint as the authors publish it, by path and by stream.</summary>
[TestClass]
public sealed class StageCheckpointTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-pth-").FullName;
    private readonly VimWeights _model = Weights(3, seed: 11), _average = Weights(3, seed: 12);

    private static VimWeights Weights(int classes, ulong seed) => VimInitializer.Create(Tiny.Config with { Classes = classes }, seed);

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(false, CheckpointWeights.Model)]
    [DataRow(false, CheckpointWeights.Ema)]
    [DataRow(true, CheckpointWeights.Model)]
    [DataRow(true, CheckpointWeights.Ema)]
    public void AnOfficialCheckpointIsMerged(bool legacy, CheckpointWeights weights)
    {
        byte[] file = legacy ? TorchFile.Training(_model, _average).Legacy() : TorchFile.Training(_model, _average).Zip();
        string path = Path.Combine(_folder, "checkpoint.bin"); // the contents tell the format
        File.WriteAllBytes(path, file);
        var expected = weights == CheckpointWeights.Model ? _model : _average;
        foreach (bool fromStream in (bool[])[false, true])
        {
            var log = Tiny.Log(_ml);
            var options = new VimMergedClassifierOptions { TokensPerMerge = 4, Epochs = 0, CropRatio = 1, CheckpointReading = new() { Weights = weights } };
            if (fromStream) options.CheckpointStream = new MemoryStream(file);
            else options.Checkpoint = path;
            using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true));
            Assert.IsTrue(fitted.Model.Weights.Values.AsSpan().SequenceEqual(expected.Values));
            Tiny.HasLine(log, weights == CheckpointWeights.Model ? "Weights taken from 'model'" : "Weights taken from 'model_ema'");
            Tiny.HasLine(log, "not read: ");
            Tiny.HasLine(log, "taken for a Vim");
            Assert.AreEqual(4, fitted.Schedule.Steps[0].Removed);
        }
    }

    /// <summary>The file of a VideoMamba for images looks like a Vim's: the log says which it was taken for, unless the user said.</summary>
    [TestMethod]
    public void TheLogTellsThatAFileWasTakenForAVim()
    {
        string path = Path.Combine(_folder, "vim.pth");
        File.WriteAllBytes(path, TorchFile.Training(_model, _average).Zip());
        foreach (var config in (VimConfig?[])[null, Tiny.Config, Tiny.Config with { ClassToken = ClassTokenPosition.First, AverageDirections = false }])
        {
            var ml = new MLContext();
            var log = Tiny.Log(ml);
            var options = new VimMergedClassifierOptions { Checkpoint = path, Config = config, TokensPerMerge = 4, Epochs = 0, CropRatio = 1 };
            using var fitted = ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(ml, 0, 6, wholePaths: true));
            Assert.AreEqual(config?.ClassToken ?? ClassTokenPosition.Middle, fitted.Model.Config.ClassToken);
            if (config is null) Tiny.HasLine(log, "taken for a Vim: its class token in the middle, its two directions averaged");
            else lock (log) Assert.IsFalse(log.Any(line => line.Contains("taken for a Vim")));
        }
    }

    [TestMethod]
    public void AFileOfThePublishedSizesIsToldWithTheOtherPreset()
    {
        using var weights = new MemoryStream();
        VimCheckpoint.Save(weights, new VimWeights(VimConfig.VimTiny with { Classes = 3 }));
        var log = Tiny.Log(_ml);
        var options = new VimMergedClassifierOptions { CheckpointStream = new MemoryStream(weights.ToArray()), Epochs = 0 };
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true));
        Tiny.HasLine(log, "if it is one, pass Config = VimConfig.VideoMambaTiny.");
    }

    [TestMethod]
    public void OtherClassesReplaceTheHeadAndTrainIt()
    {
        string path = Path.Combine(_folder, "vim.pth");
        var five = Weights(5, seed: 13);
        File.WriteAllBytes(path, TorchFile.Training(five, five).Zip());
        var log = Tiny.Log(_ml);
        var training = Tiny.Options().Retraining;
        var options = new VimMergedClassifierOptions { Checkpoint = path, TokensPerMerge = 4, Epochs = 1, CropRatio = 1, Retraining = training };
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options)).Fit(Tiny.Data(_ml, 0, 30, wholePaths: true));
        Assert.HasCount(3, fitted.ClassNames);
        Tiny.HasLine(log, "Weights taken from 'model' of vim.pth");
        string saved = Path.Combine(_folder, "network.safetensors");
        fitted.SaveCheckpoint(saved);
        Assert.IsTrue(VimModel.Load(saved).Weights.Values.AsSpan().SequenceEqual(fitted.Model.Weights.Values));
    }

    [TestMethod]
    public void AMissingAverageIsFoundBeforeAnyImage()
    {
        var file = new TorchFile();
        file.Root = file.StateDict(_model);
        string path = Path.Combine(_folder, "bare.pth");
        File.WriteAllBytes(path, file.Zip());
        var absent = _ml.Data.LoadFromEnumerable(Pictures.Classes.Select(name => new PathRow { Label = name, ImagePath = "absent.png" }));
        var reading = new CheckpointReadOptions { Weights = CheckpointWeights.Ema };
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(new() { Checkpoint = path, Epochs = 0, CheckpointReading = reading }));
        Tiny.Throws<CheckpointMismatchException>(() => estimator.Fit(absent), "bare.pth", "no moving average", "CheckpointWeights.Model");
    }

    [TestMethod]
    public void ACheckpointThatNamesASystemCallIsRefused()
    {
        string mark = Path.Combine(_folder, "executed"), path = Path.Combine(_folder, "evil.pth");
        var file = new TorchFile();
        object state = file.StateDict(_model);
        file.Root = new (object?, object?)[] { ("model", state), ("args", new TorchCall(new("os", "system"), [$"touch {mark}"])) };
        File.WriteAllBytes(path, file.Zip());
        var estimator = _ml.Transforms.VimMergedClassifier(imageColumnName: "ImagePath", checkpoint: path);
        var rows = Tiny.Data(_ml, 0, 6, wholePaths: true);
        Tiny.Throws<CheckpointFormatException>(() => estimator.Fit(rows), "evil.pth", "'os.system'", "nothing of the file was executed");
        Assert.IsFalse(File.Exists(mark));
    }
}

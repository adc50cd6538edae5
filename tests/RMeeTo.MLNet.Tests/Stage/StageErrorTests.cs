using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Merging;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Mistakes, and what the stage says of them.</summary>
[TestClass]
public sealed class StageErrorTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-errors-").FullName;

    private sealed class Numbers
    {
        public string Label { get; set; } = "a";

        [VectorType(3)]
        public float[] Image { get; set; } = [1, 2, 3];
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void WrongTypeOfImageColumn()
    {
        var data = _ml.Data.LoadFromEnumerable(new Numbers[] { new(), new() });
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.MergeOnly("a", "b"));
        Tiny.Throws<ArgumentOutOfRangeException>(() => estimator.Fit(data), "Column 'Image' is Vector<Single", "LoadImages");
        var chain = _ml.Transforms.Conversion.MapValueToKey("Label").Append(estimator);
        Tiny.Throws<ArgumentOutOfRangeException>(() => chain.Fit(data), "Column 'Image' is Vector<Single", "LoadImages");
        Tiny.Throws<ArgumentOutOfRangeException>(() => Tiny.Classifier.Transform(data), "Column 'Image' is Vector<Single", "LoadImages");
    }

    [TestMethod]
    public void MissingColumns()
    {
        var data = Tiny.Data(_ml, 0, 6);
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(Tiny.MergeOnly(Pictures.Classes)).Fit(data), "no column 'Image'",
            "ImagePath", "imageColumnName");
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.LabelColumnName = "Kind";
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(data), "no column 'Kind'", "labelColumnName");
        Tiny.Throws<ArgumentOutOfRangeException>(() => Tiny.Pipeline(_ml, options).Fit(data), "no column 'Kind'");
        Tiny.Throws<ArgumentOutOfRangeException>(() => Tiny.Classifier.GetOutputSchema(data.Schema), "no column 'Image'");
    }

    [TestMethod]
    public void TheColumnThatNamesImagesMustBeThere()
    {
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.ImageNameColumnName = "Name";
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6)), "no column 'Name'",
            "ImageNameColumnName");
        options.ImageNameColumnName = "Held";
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6)), "Column 'Held' is Boolean",
            "ImageNameColumnName");
        options.ImageNameColumnName = "Id";
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6));
        Assert.HasCount(3, fitted.ClassNames);
    }

    [TestMethod]
    public void NothingToMergeIsSaid()
    {
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.Merging = new() { ProtectedNeighbours = 8 };
        var log = Tiny.Log(_ml);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6));
        Assert.IsTrue(fitted.Schedule.IsDense);
        Tiny.HasLine(log, "Warning: Nothing is merged, though up to 4 tokens a merge were asked for: 17 tokens, 4 blocks and 8 protected neighbours");
    }

    [TestMethod]
    public void WrongTypeOfLabelColumn()
    {
        var data = _ml.Transforms.CopyColumns("Label2", "Image").Fit(_ml.Data.LoadFromEnumerable(new Numbers[] { new() }))
            .Transform(_ml.Data.LoadFromEnumerable(new Numbers[] { new() }));
        var options = Tiny.MergeOnly("a", "b");
        (options.ImageColumnName, options.LabelColumnName) = ("Label", "Label2");
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(data), "Column 'Label2' is Vector<Single",
            "MapValueToKey");
    }

    [TestMethod]
    public void OneClassOnly()
    {
        var rows = Pictures.Rows(0, 30, wholePaths: true).Where(row => row.Label == "rust").ToArray();
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.Options()));
        Tiny.Throws<InvalidOperationException>(() => estimator.Fit(_ml.Data.LoadFromEnumerable(rows)), "'Label' has 1 class in 10 rows", "at least 2");
        Tiny.Throws<InvalidOperationException>(() => estimator.Fit(_ml.Data.LoadFromEnumerable(Array.Empty<PathRow>())), "no training images", "'Label'",
            "'ImagePath'");
    }

    [TestMethod]
    public void NoWeightsOrTooMany()
    {
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(), "no weights", "FromScratch");
        var options = Tiny.MergeOnly("a", "b");
        options.FromScratch = true;
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "Model, FromScratch");
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(Tiny.Options(epochs: 0)), "0 epochs");
        var closed = new MemoryStream();
        closed.Dispose();
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(new VimMergedClassifierOptions { CheckpointStream = closed }),
            "CheckpointStream cannot be read");
    }

    [TestMethod]
    public void CheckpointThatIsNotThereOrOfAnotherKind()
    {
        var data = Tiny.Data(_ml, 0, 6, wholePaths: true);
        VimMergedClassifierEstimator Estimator(string path) => _ml.Transforms.VimMergedClassifier(imageColumnName: "ImagePath", checkpoint: path);
        Tiny.Throws<FileNotFoundException>(() => Estimator("absent.safetensors").Fit(data), "absent.safetensors", "never downloaded");
        string torch = Path.Combine(_folder, "vim.pth");
        File.WriteAllBytes(torch, "PK\x03\x04"u8);
        Tiny.Throws<CheckpointFormatException>(() => Estimator(torch).Fit(data), "vim.pth is cut off");
        string cut = Path.Combine(_folder, "cut.safetensors");
        Tiny.Model(Pictures.Classes).Save(cut);
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..5000]);
        Assert.Throws<CheckpointFormatException>(() => Estimator(cut).Fit(data));
    }

    [TestMethod]
    public void CheckpointOfAnotherNetwork()
    {
        string path = Path.Combine(_folder, "plain.safetensors");
        VimCheckpoint.Save(path, Tiny.Model(Pictures.Classes).Weights);
        var options = Tiny.FromPaths(new VimMergedClassifierOptions { Checkpoint = path, Config = VimConfig.VimTiny });
        options.Epochs = 1;
        var absent = _ml.Data.LoadFromEnumerable(Pictures.Classes
            .Select(name => new PathRow { Label = name, ImagePath = "absent.png" })); // found before an image is read
        var mismatch = Tiny.Throws<CheckpointMismatchException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(absent), "plain.safetensors");
        Assert.IsNotEmpty(mismatch.Problems);
        options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.Config = VimConfig.VimTiny;
        Tiny.Throws<CheckpointMismatchException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true)),
            "Width is 192 there and 16 in the model");
    }

    [TestMethod]
    [DataRow("StateSize is 8 there and 4 in the model")]
    [DataRow("Stride is 4 there and 8 in the model")]
    [DataRow("ClassToken is First there and Middle in the model; AverageDirections is False there and True in the model")]
    [DataRow("Norm is Layer there and Rms in the model; NormEpsilon is 1E-06 there and 1E-05 in the model")]
    [DataRow("LayerScale is True there and False in the model")]
    public void AModelHasTheConfigurationThatItHas(string expected)
    {
        string file = Path.Combine(_folder, "saved.safetensors");
        Tiny.Model(Pictures.Classes).Save(file);
        var config = expected[..3] switch
        {
            "Sta" => Tiny.Config with { StateSize = 8 },
            "Str" => Tiny.Config with { Stride = 4 },
            "Cla" => Tiny.Config with { ClassToken = ClassTokenPosition.First, AverageDirections = false },
            "Nor" => Tiny.Config with { Norm = NormKind.Layer, NormEpsilon = 1e-6f },
            _ => Tiny.Config with { LayerScale = true },
        };
        foreach (bool fromFile in (bool[])[false, true])
        {
            var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
            if (fromFile) (options.Model, options.Checkpoint) = (null, file);
            options.Config = config;
            var mismatch = Tiny.Throws<CheckpointMismatchException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true)),
                expected + ".");
            Assert.HasCount(expected.Split(';').Length, mismatch.Problems);
        }
    }

    [TestMethod]
    public void ClassNamesInDisagreementNeedTraining()
    {
        var data = Tiny.Data(_ml, 0, 12, wholePaths: true);
        var options = Tiny.FromPaths(Tiny.MergeOnly("rust", "moss", "lava"));
        Tiny.Throws<InvalidOperationException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(data), "Epochs is 0",
            "does not know 1 of the 3 classes", "'sky'");
        var log = Tiny.Log(_ml);
        (options.Epochs, options.Retraining) = (1, Tiny.Options().Retraining);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(data);
        CollectionAssert.AreEqual(Pictures.Classes, fitted.ClassNames.ToArray());
        Tiny.HasLine(log, "2 classes kept by name, 1 new");
        Tiny.HasLine(log, "No distillation: the checkpoint does not know 1 of the 3 classes");
    }

    [TestMethod]
    public void OptionsAreCheckedWhenTheyAreSet()
    {
        var options = new VimMergedClassifierOptions();
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.TokensPerMerge = -1, "TokensPerMerge is -1");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.Epochs = -1, "Epochs is -1");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.ValidationFraction = 1, "ValidationFraction is 1");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.CropRatio = 1.5, "CropRatio is 1.5");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.Threads = -2, "Threads is -2");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.BatchSize = 0, "BatchSize is 0");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.MemoryBudget = 0, "MemoryBudget is 0");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.GpuDeviceId = -1, "GpuDeviceId is -1");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.UnreadableImages = (UnreadableImages)7, "UnreadableImages is 7");
        Tiny.Throws<ArgumentException>(() => options.ImageColumnName = " ", "ImageColumnName is empty");
        Assert.Throws<ArgumentNullException>(() => options.Retraining = null!);
        options = Tiny.MergeOnly("a", "b");
        (options.ValidationColumnName, options.ValidationData) = ("Held", Tiny.Data(_ml, 0, 3));
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "'Held'");
        options = Tiny.MergeOnly("a", "b");
        options.PredictedLabelColumnName = "Score";
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "'Score'");
    }

    [TestMethod]
    public void MemoryIsEstimatedBeforeTheWork()
    {
        var options = Tiny.FromPaths(Tiny.Options());
        options.MemoryBudget = 100_000;
        var absent = _ml.Data.LoadFromEnumerable(new PathRow[] { new() { Label = "a", ImagePath = "absent.png" } });
        Tiny.Throws<InsufficientMemoryException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(absent), "takes about", "MemoryBudget");
    }

    [TestMethod]
    public void ScheduleOfAnotherDepth()
    {
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.Schedule = MergeSchedule.Uniform(VimConfig.VimTiny, 5);
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true)), "24 blocks", "has 4");
    }
}

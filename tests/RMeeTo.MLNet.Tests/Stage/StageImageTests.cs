using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The forms of the image column, and images that cannot be read.</summary>
[TestClass]
public sealed class StageImageTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-forms-").FullName;

    private sealed class BytesRow
    {
        public string Id { get; set; } = "";

        public string Label { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private IDataView Bytes(int first, int count) => _ml.Data.LoadFromEnumerable(Pictures.Rows(first, count, wholePaths: true)
        .Select(row => new BytesRow { Id = row.Id, Label = row.Label, Image = File.ReadAllBytes(row.ImagePath) }));

    /// <summary>Rows of which 2 is a text file, 5 is absent and 7 has no path.</summary>
    private PathRow[] Damaged(int count = 12)
    {
        var rows = Pictures.Rows(0, count, wholePaths: true);
        rows[2].ImagePath = Path.Combine(_folder, "text.png");
        File.WriteAllText(rows[2].ImagePath, "this is no image");
        rows[5].ImagePath = Path.Combine(_folder, "absent.png");
        rows[7].ImagePath = "";
        return rows;
    }

    private VimMergedClassifierTransformer Merge(UnreadableImages policy, string column = "ImagePath")
    {
        var options = Tiny.MergeOnly(Pictures.Classes);
        (options.ImageColumnName, options.UnreadableImages) = (column, policy);
        return _ml.Transforms.VimMergedClassifier(options).Fit(Prepared(Tiny.Data(_ml, 0, 12, wholePaths: true)));
    }

    private IDataView Prepared(IDataView data) => _ml.Transforms.LoadImages("Image", null, "ImagePath").Fit(data).Transform(data);

    [TestMethod]
    public void PicturesBytesAndPathsAreAlikeToTheBit()
    {
        var expected = Tiny.Read(_ml, Tiny.Classifier.Transform(Prepared(Tiny.Data(_ml, 0, 20, wholePaths: true))));
        Tiny.AreSame(expected, Tiny.Read(_ml, Tiny.Classifier.Transform(Bytes(0, 20))));
        var options = Tiny.FromPaths(Tiny.Options());
        using var fittedToPaths = _ml.Transforms.Conversion.MapValueToKey("Label").Append(_ml.Transforms.VimMergedClassifier(options))
            .Fit(Tiny.Data(_ml, 0, 60, wholePaths: true)).LastTransformer;
        Tiny.AreSame(expected, Tiny.Read(_ml, fittedToPaths.Transform(Tiny.Data(_ml, 0, 20, wholePaths: true))));
    }

    [TestMethod]
    public void FitsToBytes()
    {
        using var fitted = _ml.Transforms.VimMergedClassifier(Tiny.Options(epochs: 1)).Fit(Bytes(0, 24));
        Assert.HasCount(12, Tiny.Read(_ml, fitted.Transform(Bytes(60, 12))));
    }

    [TestMethod]
    public void TransformThrowsAndNamesTheFile()
    {
        using var classifier = Merge(UnreadableImages.Throw);
        var view = classifier.Transform(_ml.Data.LoadFromEnumerable(Damaged()));
        var error = Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, view), "text.png", "row 2", "'ImagePath'");
        Assert.AreEqual(2, error.Row);
        Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, classifier.Transform(_ml.Data.LoadFromEnumerable(Damaged()[5..6]))), "absent.png",
            "no such file");
        Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, classifier.Transform(_ml.Data.LoadFromEnumerable(Damaged()[7..8]))), "the path is empty");
        var folder = new PathRow { Label = "sky", ImagePath = Path.GetTempPath() };
        Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, classifier.Transform(_ml.Data.LoadFromEnumerable([folder]))), "it is a folder");
    }

    [TestMethod]
    public void TransformKeepsTheRowAndCounts()
    {
        using var classifier = Merge(UnreadableImages.Missing);
        using var strict = Merge(UnreadableImages.Throw);
        var good = Tiny.Read(_ml, strict.Transform(Tiny.Data(_ml, 0, 12, wholePaths: true)));
        var log = Tiny.Log(_ml);
        var rows = Tiny.Read(_ml, classifier.Transform(_ml.Data.LoadFromEnumerable(Damaged())));
        Assert.HasCount(12, rows);
        for (int i = 0; i < rows.Length; i++)
        {
            bool bad = i is 2 or 5 or 7;
            if (!bad) CollectionAssert.AreEqual(good[i].Score, rows[i].Score);
            else Assert.IsTrue(rows[i].Score.Length == 3 && rows[i].Score.All(float.IsNaN), rows[i].Id);
            Assert.AreEqual(bad ? 0u : good[i].PredictedLabel, rows[i].PredictedLabel);
        }
        Tiny.HasLine(log, "Warning: 3 images could not be read");
        Tiny.HasLine(log, "text.png");
        Assert.AreEqual(3, _ml.MulticlassClassification.Evaluate(
            _ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Data(_ml, 0, 12))
                .Transform(classifier.Transform(_ml.Data.LoadFromEnumerable(Damaged())))).ConfusionMatrix.NumberOfClasses);
    }

    [TestMethod]
    public void PicturesThatCannotBeLoadedAreNamed()
    {
        using var strict = Merge(UnreadableImages.Throw, "Image");
        using var lenient = Merge(UnreadableImages.Missing, "Image");
        var data = Prepared(_ml.Data.LoadFromEnumerable(Damaged()));
        Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, strict.Transform(data)), "text.png", "row 2", "'Image'");
        var rows = Tiny.Read(_ml, lenient.Transform(data));
        CollectionAssert.AreEqual(new[] { 2, 5, 7 }, Enumerable.Range(0, 12).Where(i => rows[i].PredictedLabel == 0).ToArray());
        using var engine = _ml.Model.CreatePredictionEngine<PictureRow, Scored>(lenient,
            new PredictionEngineOptions { OwnsTransformer = false, IgnoreMissingColumns = true });
        Assert.AreEqual(0u, engine.Predict(new PictureRow()).PredictedLabel);
        using var picture = Pictures.Create(1);
        Assert.AreEqual(rows[1].PredictedLabel, engine.Predict(new PictureRow { Image = picture }).PredictedLabel);
        Assert.AreEqual(0u, engine.Predict(new PictureRow()).PredictedLabel); // and not the scores of the row before
    }

    [TestMethod]
    public void FitThrowsOrLeavesOut()
    {
        var options = Tiny.FromPaths(Tiny.Options(epochs: 1));
        var data = _ml.Data.LoadFromEnumerable(Damaged(30));
        Tiny.Throws<UnreadableImageException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(data), "text.png", "row 2");
        options.UnreadableImages = UnreadableImages.Missing;
        options.ValidationFraction = 0;
        var log = Tiny.Log(_ml);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(data);
        Tiny.HasLine(log, "Warning: 3 training images could not be read and were left out, the first");
        Tiny.HasLine(log, "27 images to train");
    }

    [TestMethod]
    public void AlphaIsDroppedAndColoursAreThoseOfTheFile()
    {
        byte[] premultiplied = [50, 25, 100, 128, 10, 20, 30, 255, 0, 0, 0, 0, 200, 200, 200, 255];
        var rgb = PixelConversion.ToRgb(premultiplied, 2, 2, MLPixelFormat.Rgba32);
        CollectionAssert.AreEqual(new byte[] { 100, 50, 199, 10, 20, 30, 0, 0, 0, 200, 200, 200 }, rgb.Pixels.ToArray());
        var swapped = PixelConversion.ToRgb(premultiplied, 2, 2, MLPixelFormat.Bgra32);
        CollectionAssert.AreEqual(new byte[] { 199, 50, 100, 30, 20, 10, 0, 0, 0, 200, 200, 200 }, swapped.Pixels.ToArray());
    }
}

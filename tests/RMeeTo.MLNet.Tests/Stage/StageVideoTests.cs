using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Networks for video: clips as folders, as paths, as columns; views; motion.</summary>
[TestClass]
public sealed class StageVideoTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-video-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private static VimModel Model(VimConfig? config = null) =>
        new(VimInitializer.Create((config ?? Clips.Config) with { Classes = 2 }, seed: 5), Clips.Classes);

    /// <summary>Random weights, merged, for what needs no training.</summary>
    private static VimMergedClassifierOptions MergeOnly(VimModel? model = null) =>
        new() { Model = model ?? Model(), ImageColumnName = "Clip", TokensPerMerge = 4, Epochs = 0 };

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options) => _ml.Transforms.VimMergedClassifier(options).Fit(Folders(0, 4));

    private IDataView Folders(int first, int count) => _ml.Data.LoadFromEnumerable(Clips.Rows(first, count));

    private IDataView Paths(int first, int count, Func<string[], string[]>? change = null) => _ml.Data.LoadFromEnumerable(Enumerable.Range(first, count)
        .Select(i => new FramesRow { Id = "c" + i, Label = Clips.Classes[i % 2], Clip = (change ?? (paths => paths))(Clips.Paths(i)) }));

    private double Top1(IDataView data) =>
        _ml.MulticlassClassification.Evaluate(_ml.Transforms.Conversion.MapValueToKey("Label").Fit(data)
            .Transform(Clips.Classifier.Transform(data))).MicroAccuracy;

    private static RgbImage Rgb(string path)
    {
        using var image = MLImage.CreateFromFile(path);
        return PixelConversion.ToRgb(image.Pixels, image.Width, image.Height, image.PixelFormat);
    }

    [TestMethod]
    public void MotionAloneDecides()
    {
        Assert.IsFalse(Clips.Classifier.Schedule.IsDense);
        Assert.IsGreaterThanOrEqualTo(0.95, Top1(Folders(400, 100)));
        Assert.IsLessThanOrEqualTo(0.05, Top1(Paths(400, 100, paths => [.. paths.Reverse()]))); // the same frames
    }

    [TestMethod]
    public void FoldersPathsAndColumnsAreAlikeToTheBit()
    {
        using var classifier = Fit(MergeOnly());
        int[] chosen = [2, 4, 7, 9];
        string[] Chosen(string[] paths) => [.. chosen.Select(i => paths[i])];
        Tiny.AreSame(Tiny.Read(_ml, classifier.Transform(Folders(0, 12))), Tiny.Read(_ml, classifier.Transform(Paths(0, 12))));

        var expected = Tiny.Read(_ml, classifier.Transform(Paths(0, 12, Chosen)));
        FourFramesRow[] rows = [.. Enumerable.Range(0, 12).Select(i => FourFramesRow.Of("c" + i, Chosen(Clips.Paths(i))))];
        IDataView columns = _ml.Data.LoadFromEnumerable(rows);
        var options = MergeOnly();
        options.FrameColumnNames = ["A", "B", "C", "D"];
        using var byColumns = Fit(options, columns);
        Tiny.AreSame(expected, Tiny.Read(_ml, byColumns.Transform(columns)));
        Tiny.AreSame(expected, Tiny.Read(_ml, byColumns.Transform(_ml.Data.LoadFromEnumerable(rows.Select(FourFilesRow.Of)))));
        foreach (string name in options.FrameColumnNames) columns = _ml.Transforms.LoadImages(name, null, name).Fit(columns).Transform(columns);
        Tiny.AreSame(expected, Tiny.Read(_ml, byColumns.Transform(columns)));
        using var engine = _ml.Model.CreatePredictionEngine<FramesRow, Scored>(classifier, new PredictionEngineOptions { OwnsTransformer = false });
        Tiny.AreSame(expected, [.. Enumerable.Range(0, 12).Select(i => engine.Predict(new FramesRow { Id = "c" + i, Clip = Chosen(Clips.Paths(i)) }))]);
    }

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options, IDataView frames)
    {
        var labelled = _ml.Transforms.CopyColumns("Label", "Id").Fit(frames).Transform(frames);
        options.Model = new(options.Model!.Weights, ["c0", "c1"]);
        return _ml.Transforms.VimMergedClassifier(options).Fit(_ml.Data.TakeRows(labelled, 2));
    }

    /// <summary>The clip API of RMeeTo.Vim is what the stage does, with one view and with several, whose scores and features are means.</summary>
    [TestMethod]
    public void ViewsAreThoseOfTheClassifier()
    {
        var options = MergeOnly();
        options.FeaturesColumnName = "Features";
        using var classifier = Fit(options);
        using var plain = new VimClassifier(classifier.Model);
        VideoClip[] clips = [.. Enumerable.Range(0, 5).Select(i => new VideoClip([.. Clips.Paths(i).Select(Rgb)]))];
        foreach (var views in (ClipViews[])[ClipViews.Single, new() { Times = 2 }, ClipViews.Published])
        {
            classifier.Views = views;
            var (scores, features) = (new float[5 * 2], new float[5 * 32]);
            plain.PredictClipsWithFeatures(clips, scores, features, views);
            var view = classifier.Transform(Folders(0, 5));
            CollectionAssert.AreEqual(scores, Tiny.Read(_ml, view).SelectMany(row => row.Score).ToArray(), $"{views}");
            CollectionAssert.AreEqual(features, view.GetColumn<VBuffer<float>>("Features").SelectMany(row => row.DenseValues()).ToArray());
        }
    }

    [TestMethod]
    public void ASpeedIsFoundForClips()
    {
        var options = MergeOnly(Clips.Classifier.Model);
        options.Target = MergeSchedule.ForSpeedup(1.2);
        using var classifier = _ml.Transforms.VimMergedClassifier(options).Fit(Folders(0, 20));
        double speedup = VimCost.Of(Clips.Config).Bidirectional / VimCost.Of(Clips.Config, classifier.Schedule).Bidirectional;
        Assert.IsTrue(speedup is > 1.15 and < 1.3, $"{speedup}");
        Assert.HasCount(4, Tiny.Read(_ml, classifier.Transform(Folders(0, 4))));
    }

    [TestMethod]
    public void SavesAndLoadsToTheBit()
    {
        var options = MergeOnly();
        options.Views = new() { Times = 2, Crops = 3 };
        using var classifier = Fit(options);
        string path = Path.Combine(_folder, "model.zip");
        _ml.Model.Save(classifier, Paths(0, 1).Schema, path);
        var model = new MLContext().Model.Load(path, out var schema);
        var loaded = model as VimMergedClassifierTransformer ?? (VimMergedClassifierTransformer)((IEnumerable<ITransformer>)model).Single();
        Assert.AreEqual(new VectorDataViewType(TextDataViewType.Instance), schema["Clip"].Type);
        Assert.AreEqual(options.Views, loaded.Views);
        Tiny.AreSame(Tiny.Read(_ml, classifier.Transform(Folders(0, 12))), Tiny.Read(_ml, loaded.Transform(Folders(0, 12))));
    }

    [TestMethod]
    public void FewFramesAreRepeated()
    {
        using var classifier = Fit(MergeOnly());
        var one = Tiny.Read(_ml, classifier.Transform(Paths(0, 6, paths => [paths[5]])));
        var repeated = Tiny.Read(_ml, classifier.Transform(Paths(0, 6, paths => [.. Enumerable.Repeat(paths[5], 9)])));
        Tiny.AreSame(repeated, one);
        foreach (int count in (int[])[2, 3])
            Assert.IsTrue(Tiny.Read(_ml, classifier.Transform(Paths(0, 6, paths => paths[..count]))).All(row => row.PredictedLabel > 0));
    }

    [TestMethod]
    public void UnreadableClipsAreNamed()
    {
        using var strict = Fit(MergeOnly());
        var options = MergeOnly();
        (options.UnreadableImages, options.FeaturesColumnName, options.Views) = (UnreadableImages.Missing, "Features", new() { Times = 2, Crops = 2 });
        using var lenient = Fit(options);
        string text = Path.Combine(_folder, "text.png"), empty = Path.Combine(_folder, "empty"), large = Path.Combine(_folder, "large.png");
        File.WriteAllText(text, "this is no image");
        Directory.CreateDirectory(empty);
        Pictures.Save(1, large);
        (string[] Frames, string[] Parts)[] paths =
        [
            ([], ["row 0", "'Clip'", "no frames"]),
            ([.. Clips.Paths(0)[..6], text, .. Clips.Paths(0)[7..]], ["text.png", "row 0"]),
            ([.. Clips.Paths(0)[..4], "absent.png", Clips.Paths(0)[5]], ["absent.png", "no such file"]),
            ([Clips.Paths(0)[0], "", ""], ["path of frame", "is empty"]),
            ([.. Clips.Paths(0)[..4], large, Clips.Paths(0)[5]], ["one size", "16×16"]),
        ]; // a frame that no view looks at is never read
        foreach (var (frames, parts) in paths)
            Check(_ml.Data.LoadFromEnumerable(new FramesRow[] { new() { Clip = frames }, new() { Clip = Clips.Paths(1) } }), parts);
        (string Folder, string[] Parts)[] folders =
        [
            ("", ["the path is empty"]),
            (empty, ["empty", "no image files"]),
            (Path.Combine(_folder, "absent"), ["absent", "no such folder"]),
            (text, ["text.png", "it is a file"]),
        ];
        foreach (var (folder, parts) in folders)
            Check(_ml.Data.LoadFromEnumerable(new ClipRow[] { new() { Clip = folder }, new() { Clip = Clips.Folder(1) } }), parts);

        void Check(IDataView data, string[] parts)
        {
            Tiny.Throws<UnreadableImageException>(() => Tiny.Read(_ml, strict.Transform(data)), parts);
            var rows = Tiny.Read(_ml, lenient.Transform(data));
            Assert.IsTrue(rows[0].Score.All(float.IsNaN) && rows[0].PredictedLabel == 0, parts[0]);
            Assert.IsTrue(rows[1].Score.All(float.IsFinite) && rows[1].PredictedLabel > 0, parts[0]);
            Assert.IsTrue(lenient.Transform(data).GetColumn<VBuffer<float>>("Features").First().DenseValues().All(float.IsNaN));
        }
    }

    [TestMethod]
    public void FitLeavesUnreadableClipsOut()
    {
        var rows = Clips.Rows(0, 20);
        rows[3].Clip = Path.Combine(_folder, "absent");
        var options = Tiny.Options(epochs: 1);
        (options.Config, options.ImageColumnName, options.ValidationFraction, options.ClipFramesKept) = (Clips.Config, "Clip", 0, 6);
        Tiny.Throws<UnreadableImageException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(_ml.Data.LoadFromEnumerable(rows)), "absent", "row 3",
            "no such folder");
        options.UnreadableImages = UnreadableImages.Missing;
        var log = Tiny.Log(_ml);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(_ml.Data.LoadFromEnumerable(rows));
        Tiny.HasLine(log, "1 training images could not be read");
        Tiny.HasLine(log, "19 clips to train");
    }

    /// <summary>Clips of 11 frames: all of them, as four times four is more, or as many as are allowed, in the order of the rows.</summary>
    [TestMethod]
    public void FitKeepsSoManyFrames()
    {
        var environment = MlNetInternals.EnvironmentOf(_ml.Transforms);
        using var channel = StageLog.Open(environment, "Test");
        using var cancellation = new FitCancellation(environment, default);
        foreach (var (allowed, kept) in ((int?, int)[])[(null, Clips.Frames), (5, 5), (1, 1), (100, Clips.Frames)])
        {
            var options = MergeOnly();
            (options.ClipFramesKept, options.ValidationFraction) = (allowed, 0);
            using var rows = TrainingRows.Read(Folders(0, 9), options, Clips.Config, new ImageStoreOptions(), 2, channel, cancellation);
            Assert.AreEqual(9, rows.Store.Count);
            for (int i = 0; i < 9; i++)
            {
                Assert.AreEqual((kept, Clips.Folder(i)), (rows.Store.Frames(i), rows.Store.Name(i)));
                var frame = rows.Store.ReadFrame(i, kept - 1, new ImageReadBuffer());
                string path = Clips.Paths(i)[ReadBatch.EvenlySpread(kept - 1, kept, Clips.Frames)];
                Assert.IsTrue(Rgb(path).Pixels.Span.SequenceEqual(frame.Pixels.Span));
            }
        }
    }

    [TestMethod]
    public void KeptFramesAreEvenlySpread()
    {
        for (int available = 1; available <= 40; available++)
        {
            for (int count = 1; count <= available; count++)
            {
                int[] places = [.. Enumerable.Range(0, count).Select(i => ReadBatch.EvenlySpread(i, count, available))];
                if (count > 1) Assert.IsTrue(places[0] == 0 && places[^1] == available - 1);
                int[] steps = [.. places.Zip(places.Skip(1), (a, b) => b - a)];
                Assert.IsTrue(steps.All(step => step > 0) && (steps.Length == 0 || steps.Max() - steps.Min() <= 1), $"{count} of {available}");
            }
        }
    }

    [TestMethod]
    public void WeightsForImagesBecomeWeightsForClips()
    {
        var images = Model(Clips.Config with { Frames = 0 });
        var options = MergeOnly(images);
        options.Config = Clips.Config;
        var log = Tiny.Log(_ml);
        using var classifier = Fit(options);
        Tiny.HasLine(log, "clips of 4 frames");
        Assert.AreEqual(4, classifier.Model.Config.Frames);
        options.Config = Clips.Config with { Frames = 6 };
        options.Model = Model();
        using var longer = Fit(options);
        Assert.AreEqual(6, longer.Model.Config.Frames);
        Assert.HasCount(4, Tiny.Read(_ml, longer.Transform(Folders(0, 4))));
    }

    [TestMethod]
    public void TopKOfFrames()
    {
        MLImage[] frames = [.. Clips.Paths(400).Select(MLImage.CreateFromFile)];
        try
        {
            var top = Clips.Classifier.TopK(frames, 1);
            Assert.AreEqual("right", top[0].Label);
            Assert.AreEqual("left", Clips.Classifier.TopK([.. frames.Reverse()], 1)[0].Label);
            Tiny.Throws<InvalidOperationException>(() => Clips.Classifier.TopK(frames[0]), "clips of 4 frames");
            Tiny.Throws<InvalidOperationException>(() => Tiny.Classifier.TopK(frames), "single images");
        }
        finally
        {
            foreach (var frame in frames) frame.Dispose();
        }
    }

    [TestMethod]
    public void MistakesAreClear()
    {
        var pictures = _ml.Data.LoadFromEnumerable(new PictureRow[] { new() });
        Tiny.Throws<ArgumentOutOfRangeException>(() =>
            Clips.Classifier.Transform(_ml.Transforms.CopyColumns("Clip", "Image").Fit(pictures).Transform(pictures)),
            "Column 'Clip'", "folder", "FrameColumnNames");
        Tiny.Throws<ArgumentOutOfRangeException>(() =>
            Tiny.Classifier.Transform(_ml.Transforms.CopyColumns("Image", "Clip").Fit(Paths(0, 1)).Transform(Paths(0, 1))), "Column 'Image' is Vector<");
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.Views = ClipViews.Published;
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true)), "Views is 4 × 3",
            "single images");
        (options.Views, options.FrameColumnNames) = (ClipViews.Single, ["ImagePath", "ImagePath"]);
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true)),
            "FrameColumnNames names 2 columns", "single images");
        Tiny.Throws<ArgumentException>(() => Tiny.Classifier.Views = ClipViews.Published, "single images");
        Tiny.Throws<ArgumentException>(() => options.FrameColumnNames = [], "FrameColumnNames is empty");
        Tiny.Throws<ArgumentException>(() => options.FrameColumnNames = ["A", ""], "FrameColumnNames is empty");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.ClipFramesKept = 0, "ClipFramesKept is 0");
        options = MergeOnly();
        options.FrameColumnNames = ["A", "B"];
        Tiny.Throws<ArgumentOutOfRangeException>(() => Fit(options), "no column 'A'", "with FrameColumnNames");
        options.FrameColumnNames = ["Label", "Clip"];
        Tiny.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.VimMergedClassifier(options).Fit(Paths(0, 4)), "Column 'Clip' is Vector<",
            "paths with FrameColumnNames");
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The batched view: what every consumer of a data view relies on.</summary>
[TestClass]
public sealed class StageViewTests
{
    private readonly MLContext _ml = new(seed: 1);

    private static VimMergedClassifierTransformer OwnClassifier(MLContext ml, int? batch = null)
    {
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        options.BatchSize = batch;
        return ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Transforms.VimMergedClassifier(options))
            .Fit(Tiny.Data(ml, 0, 12, wholePaths: true)).LastTransformer;
    }

    [TestMethod]
    public void ForwardRunsOnlyWhereOutputsAreAskedFor()
    {
        using var classifier = OwnClassifier(_ml);
        var view = classifier.Transform(Tiny.Data(_ml, 0, 30, wholePaths: true));
        Assert.AreEqual(30, view.GetColumn<string>("Id").Count());
        Assert.AreEqual(0, classifier.Engine.ImagesScored);
        Assert.AreEqual(30, view.GetColumn<uint>("PredictedLabel").Count());
        Assert.AreEqual(30, classifier.Engine.ImagesScored);
    }

    [TestMethod]
    public void BatchesGrowFromOne()
    {
        using var classifier = OwnClassifier(_ml, batch: 16);
        var view = classifier.Transform(Tiny.Data(_ml, 0, 90, wholePaths: true));
        using (var cursor = view.GetRowCursor([view.Schema["Score"]]))
        {
            cursor.MoveNext();
            Assert.AreEqual(1, classifier.Engine.ImagesScored);
            cursor.MoveNext();
            Assert.AreEqual(5, classifier.Engine.ImagesScored);
        }
        view.GetColumn<uint>("PredictedLabel").Count();
        Assert.AreEqual(2 + 8, classifier.Engine.BatchesScored); // 1 and 4; then 1, 4, five times 16 and the last 5
    }

    [TestMethod]
    public void BatchSizeDoesNotChangeAnyBit()
    {
        using var one = OwnClassifier(_ml, batch: 1);
        using var many = OwnClassifier(_ml, batch: 64);
        var data = Tiny.Data(_ml, 0, 50, wholePaths: true);
        Tiny.AreSame(Tiny.Read(_ml, one.Transform(data)), Tiny.Read(_ml, many.Transform(data)));
    }

    [TestMethod]
    public void RowsKeepIdBatchAndPosition()
    {
        var source = Tiny.Data(_ml, 0, 40);
        var view = Tiny.Chain.Transform(source);
        using var expected = source.GetRowCursor(source.Schema);
        using var cursor = view.GetRowCursor(view.Schema);
        Assert.AreSame(view.Schema, cursor.Schema);
        Assert.AreEqual(-1, cursor.Position);
        var (ids, expectedIds) = (cursor.GetIdGetter(), expected.GetIdGetter());
        var name = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Id"]);
        for (int i = 0; expected.MoveNext(); i++)
        {
            Assert.IsTrue(cursor.MoveNext());
            Assert.AreEqual(i, cursor.Position);
            Assert.AreEqual(expected.Batch, cursor.Batch);
            DataViewRowId a = default, b = default;
            expectedIds(ref a);
            ids(ref b);
            Assert.AreEqual(a, b);
            ReadOnlyMemory<char> text = default;
            name(ref text);
            Assert.AreEqual("r" + i, text.ToString());
        }
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
    }

    [TestMethod]
    public void GettersMayBeCalledAnyNumberOfTimesAndOwnNothing()
    {
        var view = Tiny.Chain.Transform(Tiny.Data(_ml, 0, 8));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
        var before = new List<(VBuffer<float> Buffer, float[] Values)>();
        while (cursor.MoveNext())
        {
            VBuffer<float> a = default, b = default;
            getter(ref a);
            getter(ref b);
            CollectionAssert.AreEqual(a.GetValues().ToArray(), b.GetValues().ToArray());
            before.Add((a, a.GetValues().ToArray()));
        }
        foreach (var (buffer, values) in before) CollectionAssert.AreEqual(values, buffer.GetValues().ToArray());
    }

    [TestMethod]
    public void InactiveColumnsAndWrongTypesThrow()
    {
        var view = Tiny.Chain.Transform(Tiny.Data(_ml, 0, 4));
        using var cursor = view.GetRowCursor([view.Schema["Score"]]);
        Assert.IsFalse(cursor.IsColumnActive(view.Schema["Id"]));
        Assert.IsTrue(cursor.IsColumnActive(view.Schema["Score"]));
        Tiny.Throws<InvalidOperationException>(() => cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Id"]), "'Id'", "columnsNeeded");
        Tiny.Throws<InvalidOperationException>(() => cursor.GetGetter<uint>(view.Schema["PredictedLabel"]), "'PredictedLabel'");
        Tiny.Throws<InvalidOperationException>(() => cursor.GetGetter<float>(view.Schema["Score"]), "'Score'", "Single");
        var score = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
        VBuffer<float> value = default;
        Assert.Throws<InvalidOperationException>(() => score(ref value));
    }

    [TestMethod]
    public void ShufflingPassesThrough()
    {
        var plain = _ml.Data.Cache(Tiny.Data(_ml, 0, 40, wholePaths: true));
        using var classifier = OwnClassifier(_ml);
        var view = classifier.Transform(plain);
        Assert.AreEqual(plain.CanShuffle, view.CanShuffle);
        Assert.AreEqual(plain.GetRowCount(), view.GetRowCount());
        var expected = Tiny.Read(_ml, view).ToDictionary(row => row.Id);
        using var cursor = view.GetRowCursor(view.Schema, new Random(3));
        var (id, score) = (cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Id"]), cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]));
        var seen = new List<string>();
        while (cursor.MoveNext())
        {
            ReadOnlyMemory<char> name = default;
            VBuffer<float> values = default;
            id(ref name);
            score(ref values);
            CollectionAssert.AreEqual(expected[name.ToString()].Score, values.GetValues().ToArray());
            seen.Add(name.ToString());
        }
        Assert.HasCount(40, seen.Distinct().ToList());
        if (view.CanShuffle) CollectionAssert.AreNotEqual(expected.Keys.ToArray(), seen.ToArray());
    }

    [TestMethod]
    public void CursorsRunSideBySide()
    {
        var data = Tiny.Data(_ml, 0, 60);
        var expected = Tiny.Read(_ml, Tiny.Chain.Transform(data));
        Parallel.For(0, 6, _ => Tiny.AreSame(expected, Tiny.Read(_ml, Tiny.Chain.Transform(data))));
        Assert.HasCount(1, Tiny.Chain.LastTransformer.Transform(Tiny.Chain.Transform(data)).GetRowCursorSet([], 4));
    }

    [TestMethod]
    public void PicturesPassThroughUnharmed()
    {
        // LoadImages disposes the picture before; those that come through the look-ahead must be alive and right.
        var view = Tiny.Chain.Transform(Tiny.Data(_ml, 0, 30));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["Image"]);
        MLImage picture = null!;
        for (int i = 0; cursor.MoveNext(); i++)
        {
            getter(ref picture);
            getter(ref picture);
            using var expected = Pictures.Create(i);
            Assert.AreEqual((expected.Width, expected.Height), (picture.Width, picture.Height));
            Assert.EndsWith($"{i}.png", picture.Tag);
            Assert.AreEqual(expected.Pixels[1], picture.Pixels[1]);
        }
    }

    [TestMethod]
    public void PicturesOfTheCallerStayHis()
    {
        using var image = Pictures.Create(4);
        var rows = Enumerable.Range(0, 10).Select(_ => new PictureRow { Image = image });
        var view = Tiny.Classifier.Transform(_ml.Data.LoadFromEnumerable(rows));
        Assert.AreEqual(10, view.GetColumn<uint>("PredictedLabel").Count());
        Assert.IsGreaterThan(0, image.Width);
    }

    /// <summary>Where sizes already agree, ResizeImages hands out its source, which the stages before it dispose with the next row.</summary>
    [TestMethod, RealMLNet, TestCategory("RealMLNet")]
    public void PicturesBehindResizeImagesAreAlive()
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto-same-size-").FullName;
        try
        {
            for (int i = 0; i < 20; i++)
            {
                using var image = MLImage.CreateFromPixels(32, 32, MLPixelFormat.Rgba32,
                    Enumerable.Range(0, 32 * 32 * 4).Select(k => k % 4 == 3 ? (byte)255 : (byte)(10 * i)).ToArray());
                image.Save(Path.Combine(folder, $"{i}.png"));
            }
            var rows = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 20).Select(i => new PathRow { Id = "r" + i, ImagePath = $"{i}.png" }));
            var loaded = _ml.Transforms.LoadImages("Image", folder, "ImagePath").Fit(rows).Transform(rows);
            // By name, for the stand-in has no ResizeImages and must compile this all the same.
            var resize = typeof(MLImage).Assembly.GetType("Microsoft.ML.ImageEstimatorsCatalog")!.GetMethods()
                .Single(m => m.Name == "ResizeImages" && m.GetParameters().Any(p => p.Name == "imageWidth"));
            object?[] arguments = [.. resize.GetParameters()
                .Select(p => p.Name switch { "catalog" => _ml.Transforms, "outputColumnName" => "Image", "imageWidth" or "imageHeight" => 32,
                    _ => p.DefaultValue })];
            dynamic estimator = resize.Invoke(null, arguments)!;
            var resized = (IDataView)estimator.Fit(loaded).Transform(loaded);
            Tiny.AreSame(Tiny.Read(_ml, Tiny.Classifier.Transform(loaded)), Tiny.Read(_ml, Tiny.Classifier.Transform(resized)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void DisposeWaitsForOpenCursors()
    {
        var classifier = OwnClassifier(_ml, batch: 2);
        var view = classifier.Transform(Tiny.Data(_ml, 0, 20, wholePaths: true));
        int rows = 0;
        using (var cursor = view.GetRowCursor(view.Schema))
        {
            cursor.MoveNext();
            classifier.Dispose();
            classifier.Dispose();
            for (rows = 1; cursor.MoveNext();) rows++;
            cursor.Dispose();
        }
        Assert.AreEqual(20, rows);
        Assert.IsFalse(classifier.Engine.IsAlive);
        Assert.Throws<ObjectDisposedException>(() => view.GetRowCursor(view.Schema));
        Assert.Throws<ObjectDisposedException>(() => classifier.Transform(view));
        Assert.AreEqual(20, view.GetColumn<string>("Id").Count()); // needs no network
    }

    [TestMethod]
    public void EmptyViewIsEmpty()
    {
        var view = Tiny.Chain.Transform(_ml.Data.LoadFromEnumerable(Array.Empty<PathRow>()));
        Assert.IsEmpty(Tiny.Read(_ml, view));
    }

    [TestMethod]
    public void ThreadsCanBeChangedAndChangeNoBit()
    {
        using var classifier = OwnClassifier(_ml);
        var data = Tiny.Data(_ml, 0, 30, wholePaths: true);
        classifier.Threads = 1;
        var view = classifier.Transform(data);
        using var engine = _ml.Model.CreatePredictionEngine<PathRow, Scored>(classifier, new PredictionEngineOptions { OwnsTransformer = false });
        var one = Tiny.Read(_ml, view);
        using var open = view.GetRowCursor(view.Schema);
        classifier.Threads = 3;
        Tiny.AreSame(one, Tiny.Read(_ml, view)); // made before the change
        CollectionAssert.AreEqual(one[0].Score, engine.Predict(Pictures.Rows(0, 1, wholePaths: true)[0]).Score);
        int rows = 0;
        while (open.MoveNext()) rows++;
        Assert.AreEqual(30, rows);
        Assert.AreEqual(3, classifier.Threads);
        Tiny.AreSame(one, Tiny.Read(_ml, classifier.Transform(data)));
        Assert.Throws<ArgumentOutOfRangeException>(() => classifier.Threads = -1);
    }
}

using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The columns that are added where they are asked for: features, and labels and probabilities of the top classes.</summary>
[TestClass]
public sealed class StageColumnsTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-columns-").FullName;

    private sealed class Row
    {
        public string Id { get; set; } = "";

        public float[] Score { get; set; } = [];

        public uint PredictedLabel { get; set; }

        public float[] Embedding { get; set; } = [];

        public string[] TopKLabels { get; set; } = [];

        public float[] TopKProbabilities { get; set; } = [];
    }

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private static VimMergedClassifierOptions WithAll(VimMergedClassifierOptions options)
    {
        (options.FeaturesColumnName, options.TopK) = ("Embedding", 2);
        return Tiny.FromPaths(options);
    }

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options, IDataView? data = null) =>
        _ml.Transforms.VimMergedClassifier(options).Fit(data ?? Tiny.Data(_ml, 0, 12, wholePaths: true));

    private Row[] Read(IDataView view) => [.. _ml.Data.CreateEnumerable<Row>(view, reuseRowObject: false)];

    private static void AreSame(Row[] expected, Row[] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
        {
            CollectionAssert.AreEqual(expected[i].Score, actual[i].Score);
            CollectionAssert.AreEqual(expected[i].Embedding, actual[i].Embedding);
            CollectionAssert.AreEqual(expected[i].TopKLabels, actual[i].TopKLabels);
            CollectionAssert.AreEqual(expected[i].TopKProbabilities, actual[i].TopKProbabilities);
        }
    }

    /// <summary>The head must make the scores of the features: softmax(features · weightᵀ + bias).</summary>
    [TestMethod]
    public void FeaturesAreWhatTheHeadSees()
    {
        using var classifier = Fit(WithAll(Tiny.MergeOnly(Pictures.Classes)));
        int width = classifier.Model.Config.Width;
        var view = classifier.Transform(Tiny.Data(_ml, 0, 20, wholePaths: true));
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, width), view.Schema["Embedding"].Type);
        var (weight, bias) = (classifier.Model.Weights["head.weight"].ToArray(), classifier.Model.Weights["head.bias"].ToArray());
        foreach (var row in Read(view))
        {
            double[] exponentials = [.. bias.Select((b, k) => Math.Exp(b + row.Embedding.Select((f, c) => (double)f * weight[k * width + c]).Sum()))];
            for (int k = 0; k < 3; k++) Assert.AreEqual(exponentials[k] / exponentials.Sum(), row.Score[k], 1e-5);
        }
    }

    [TestMethod]
    public void ColumnsAreTheSameByEveryWay()
    {
        using var classifier = Fit(WithAll(Tiny.MergeOnly(Pictures.Classes)));
        var data = Tiny.Data(_ml, 0, 20, wholePaths: true);
        var expected = Read(classifier.Transform(data));
        string path = Path.Combine(_folder, "model.zip");
        _ml.Model.Save(classifier, data.Schema, path);
        var loaded = new MLContext().Model.Load(path, out _);
        AreSame(expected, Read(loaded.Transform(data)));
        using var engine = _ml.Model.CreatePredictionEngine<PathRow, Row>(loaded);
        AreSame(expected, [.. Pictures.Rows(0, 20, wholePaths: true).Select(engine.Predict)]);
    }

    [TestMethod]
    public void NoColumnUnlessAskedFor()
    {
        var schema = Tiny.Chain.GetOutputSchema(Tiny.Data(_ml, 0, 1).Schema);
        CollectionAssert.AreEqual(new[] { "PredictedLabel", "Score" }, schema.Select(column => column.Name).TakeLast(2).ToArray());
    }

    [TestMethod]
    public void EachColumnAloneClassifiesOnce()
    {
        foreach (string name in (string[])["Embedding", "TopKLabels", "TopKProbabilities"])
        {
            using var classifier = Fit(WithAll(Tiny.MergeOnly(Pictures.Classes)));
            var view = classifier.Transform(Tiny.Data(_ml, 0, 10, wholePaths: true));
            using var cursor = view.GetRowCursor([view.Schema[name]]);
            while (cursor.MoveNext()) { }
            Assert.AreEqual(10, classifier.Engine.ImagesScored, name);
            Assert.Throws<InvalidOperationException>(() => cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]));
        }
    }

    [TestMethod]
    public void TopClassesAreThoseOfTheTransformer()
    {
        using var classifier = Fit(WithAll(Tiny.MergeOnly(Pictures.Classes)));
        foreach (var row in Read(classifier.Transform(Tiny.Data(_ml, 0, 20, wholePaths: true))))
        {
            var top = classifier.TopK(row.Score, 2);
            CollectionAssert.AreEqual(top.Select(t => t.Label).ToArray(), row.TopKLabels);
            CollectionAssert.AreEqual(top.Select(t => t.Probability).ToArray(), row.TopKProbabilities);
            Assert.AreEqual(row.PredictedLabel, (uint)top[0].Index + 1);
        }
    }

    /// <summary>By the definition: sorted by value downwards, then by index upwards.</summary>
    [TestMethod]
    public void TopClassesAreSortedAndTiesGoToTheLower()
    {
        var random = new Random(5);
        for (int classes = 1; classes <= 12; classes++)
        {
            for (int count = 1; count <= classes; count++)
            {
                float[] values = [.. Enumerable.Range(0, classes).Select(_ => random.Next(4) / 4f)];
                var best = new int[count];
                Assert.IsTrue(ScoreValues.SelectTop(values, best));
                CollectionAssert.AreEqual(Enumerable.Range(0, classes).OrderByDescending(i => values[i]).ThenBy(i => i).Take(count).ToArray(), best);
            }
        }
        var model = Tiny.Model(Pictures.Classes);
        model.Weights["head.weight"].Clear();
        model.Weights["head.bias"].Clear();
        var options = WithAll(Tiny.MergeOnly(Pictures.Classes));
        options.Model = model;
        using var classifier = Fit(options);
        var row = Read(classifier.Transform(Tiny.Data(_ml, 0, 1, wholePaths: true)))[0];
        CollectionAssert.AreEqual(new[] { "rust", "moss" }, row.TopKLabels);
        Assert.AreEqual(1u, row.PredictedLabel);
    }

    [TestMethod]
    public void UnreadableImagesAreMissingEverywhere()
    {
        var options = WithAll(Tiny.MergeOnly(Pictures.Classes));
        options.UnreadableImages = UnreadableImages.Missing;
        using var classifier = Fit(options);
        var rows = Pictures.Rows(0, 5, wholePaths: true);
        rows[3].ImagePath = "absent.png";
        var read = Read(classifier.Transform(_ml.Data.LoadFromEnumerable(rows)));
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.HasCount(Tiny.Config.Width, read[i].Embedding);
            Assert.IsTrue(read[i].Embedding.All(value => float.IsNaN(value) == (i == 3)));
            Assert.IsTrue(read[i].TopKProbabilities.All(value => float.IsNaN(value) == (i == 3)));
            Assert.IsTrue(read[i].TopKLabels.All(label => label.Length == 0 == (i == 3)));
        }
    }

    [TestMethod]
    public void LabelsKeepTheirTypeAndSlotsAreNoMoreThanClasses()
    {
        var rows = Pictures.Rows(0, 12, wholePaths: true).Select((row, i) => new { row.Id, row.ImagePath, Kind = i % 3 * 1.5f });
        var options = WithAll(Tiny.Options(epochs: 1));
        (options.LabelColumnName, options.TopK, options.TopKLabelsColumnName, options.TopKProbabilitiesColumnName, options.UnreadableImages) =
            ("Kind", 5, "Names", "Parts", UnreadableImages.Missing);
        var log = Tiny.Log(_ml);
        using var classifier = Fit(options, _ml.Data.LoadFromEnumerable(rows));
        Tiny.HasLine(log, "TopK is 5 and there are 3 classes");
        var view = classifier.Transform(_ml.Data.LoadFromEnumerable(Pictures.Rows(0, 4, wholePaths: true).Append(new() { ImagePath = "absent.png" })));
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), view.Schema["Names"].Type);
        float[][] names = [.. view.GetColumn<VBuffer<float>>("Names").Select(value => value.DenseValues().ToArray())];
        for (int i = 0; i < 4; i++) CollectionAssert.AreEquivalent(new[] { 0, 1.5f, 3 }, names[i]);
        Assert.IsTrue(names[4].All(float.IsNaN));
    }

    [TestMethod]
    public void ShapeBeforeFittingIsThatAfterwards()
    {
        var data = Tiny.Data(_ml, 0, 12, wholePaths: true);
        var pipeline = _ml.Transforms.Conversion.MapValueToKey("Label").Append(_ml.Transforms.VimMergedClassifier(WithAll(Tiny.MergeOnly(Pictures.Classes))));
        var shape = pipeline.GetOutputSchema(new SchemaShape(data.Schema
            .Select(column => MlNetInternals.ShapeColumn(column.Name, SchemaShape.Column.VectorKind.Scalar, column.Type, isKey: false))));
        var schema = pipeline.Fit(data).GetOutputSchema(data.Schema);
        foreach (string name in (string[])["Embedding", "TopKLabels", "TopKProbabilities"])
        {
            var column = shape.Single(c => c.Name == name);
            Assert.AreEqual(SchemaShape.Column.VectorKind.Vector, column.Kind);
            Assert.AreEqual(((VectorDataViewType)schema[name].Type).ItemType, column.ItemType);
            Assert.IsFalse(column.IsKey);
        }
    }

    [TestMethod]
    public void MistakesAreClear()
    {
        var options = new VimMergedClassifierOptions();
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.TopK = -1, "TopK is -1");
        Tiny.Throws<ArgumentException>(() => options.FeaturesColumnName = "", "FeaturesColumnName is empty");
        Tiny.Throws<ArgumentException>(() => options.TopKLabelsColumnName = " ", "TopKLabelsColumnName is empty");
        options = Tiny.MergeOnly(Pictures.Classes);
        (options.TopKLabelsColumnName, options.FeaturesColumnName) = ("Score", "Features");
        _ml.Transforms.VimMergedClassifier(options); // the column does not exist
        options.TopK = 1;
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "ScoreColumnName and TopKLabelsColumnName are both 'Score'");
        (options.TopK, options.FeaturesColumnName) = (0, options.PredictedLabelColumnName);
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "'PredictedLabel'");
        options.FeaturesColumnName = "Label";
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "FeaturesColumnName is 'Label'", "hidden from Evaluate");
    }

    /// <summary>What features are for: pictures of a class lie nearer to its mean than to others', though the head of this network was never asked.</summary>
    [TestMethod]
    public void FeaturesTellTheClassesApart()
    {
        using var classifier = Fit(WithAll(Tiny.Options()), Tiny.Data(_ml, 0, 60, wholePaths: true));
        var rows = Read(classifier.Transform(Tiny.Data(_ml, 0, 90, wholePaths: true)));
        float[][] means = [.. Enumerable.Range(0, 3).Select(k => Mean([.. rows.Take(60).Where((_, i) => i % 3 == k).Select(row => row.Embedding)]))];
        int right = rows.Skip(60).Where((row, i) => Enumerable.Range(0, 3).MinBy(k => Distance(row.Embedding, means[k])) == i % 3).Count();
        Assert.IsGreaterThanOrEqualTo(27, right);

        static float[] Mean(float[][] vectors) => [.. Enumerable.Range(0, vectors[0].Length).Select(c => vectors.Average(v => v[c]))];
        static float Distance(float[] a, float[] b) => a.Zip(b, (x, y) => (x - y) * (x - y)).Sum();
    }

    /// <summary>A trainer of ML.NET behind the stage, in one pipeline with it: what transfer learning looks like.</summary>
    [TestMethod, RealMLNet, TestCategory("RealMLNet")]
    public void TrainersOfMlNetLearnFromFeatures()
    {
        var options = WithAll(Tiny.Options());
        (options.FeaturesColumnName, options.ScoreColumnName, options.PredictedLabelColumnName) = ("Features", "VimScore", "VimLabel");
        foreach (string trainer in (string[])["SdcaMaximumEntropy", "LbfgsMaximumEntropy"])
        {
            var pipeline = _ml.Transforms.Conversion.MapValueToKey("Label").Append(_ml.Transforms.VimMergedClassifier(options)).Append(Trainer(trainer));
            var model = pipeline.Fit(Tiny.Data(_ml, 0, 60, wholePaths: true));
            var metrics = _ml.MulticlassClassification.Evaluate(model.Transform(Tiny.Data(_ml, 60, 30, wholePaths: true)));
            Assert.IsGreaterThan(0.85, metrics.MicroAccuracy, trainer);
        }
    }

    /// <summary>By name, for the stand-in has no trainers and must compile this all the same.</summary>
    private IEstimator<ITransformer> Trainer(string name)
    {
        object catalog = typeof(MulticlassClassificationCatalog).GetProperty("Trainers")!.GetValue(_ml.MulticlassClassification)!;
        var method = Assembly.Load("Microsoft.ML.StandardTrainers").GetType("Microsoft.ML.StandardTrainersCatalog")!.GetMethods()
            .Single(m => m.Name == name && m.GetParameters() is [var first, { Name: "labelColumnName" }, ..] && first.ParameterType.IsInstanceOfType(catalog));
        object?[] arguments = [.. method.GetParameters().Select((p, i) => i == 0 ? catalog : p.DefaultValue)];
        return (IEstimator<ITransformer>)method.Invoke(null, arguments)!;
    }
}

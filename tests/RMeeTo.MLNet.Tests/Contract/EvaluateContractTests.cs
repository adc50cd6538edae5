using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>Numbers of Evaluate and CrossValidate, worked out by hand.</summary>
[TestClass]
public sealed class EvaluateContractTests
{
    private readonly MLContext _ml = new(seed: 1);

    private IEstimator<ITransformer> Pipeline => _ml.Transforms.Conversion
        .MapValueToKey("Label", keyData: _ml.Data.LoadFromEnumerable(new[] { new { L = "cat" }, new { L = "dog" }, new { L = "owl" } }))
        .Append(_ml.Transforms.CopyColumns("PredictedLabel", "Label"));

    private IDataView Scored(params Samples.Row[] rows)
    {
        IDataView view = _ml.Data.LoadFromEnumerable(rows);
        return Pipeline.Fit(view).Transform(view);
    }

    [TestMethod]
    public void AccuraciesAndLogLoss()
    {
        MulticlassClassificationMetrics metrics = _ml.MulticlassClassification.Evaluate(Scored(
            new() { Label = "cat", Score = [0.5f, 0.25f, 0.25f] },
            new() { Label = "cat", Score = [0.25f, 0.5f, 0.25f] },
            new() { Label = "dog", Score = [0.25f, 0.5f, 0.25f] },
            new() { Label = "owl", Score = [0.5f, 0.125f, 0.375f] }));
        Assert.AreEqual(0.5, metrics.MicroAccuracy, 1e-12);
        Assert.AreEqual((0.5 + 1 + 0) / 3, metrics.MacroAccuracy, 1e-12);
        Assert.AreEqual(-(Math.Log(0.5) + Math.Log(0.25) + Math.Log(0.5) + Math.Log(0.375)) / 4, metrics.LogLoss, 1e-7);
        Assert.AreEqual(3, metrics.ConfusionMatrix.NumberOfClasses);
        Assert.AreEqual(1, metrics.ConfusionMatrix.Counts[0][1]);
    }

    [TestMethod]
    public void TiesGoToTheLowerClass()
    {
        MulticlassClassificationMetrics metrics = _ml.MulticlassClassification.Evaluate(Scored(
            new() { Label = "dog", Score = [0.4f, 0.4f, 0.2f] }, new() { Label = "cat", Score = [0.4f, 0.4f, 0.2f] }));
        Assert.AreEqual(0.5, metrics.MicroAccuracy);
        Assert.AreEqual(1, metrics.ConfusionMatrix.Counts[1][0]);
    }

    [TestMethod]
    public void RowsWithoutALabelOrWithBadScoresDoNotCount()
    {
        MulticlassClassificationMetrics metrics = _ml.MulticlassClassification.Evaluate(Scored(
            new() { Label = "cat", Score = [0.8f, 0.1f, 0.1f] },
            new() { Label = "emu", Score = [0.8f, 0.1f, 0.1f] },
            new() { Label = "dog", Score = [float.NaN, 0.1f, 0.1f] }));
        Assert.AreEqual(1.0, metrics.MicroAccuracy);
        Assert.AreEqual(1, metrics.ConfusionMatrix.Counts.Sum(r => r.Sum()));
    }

    [TestMethod]
    public void TextLabelsAreRefused()
    {
        IDataView view = _ml.Data.LoadFromEnumerable(Samples.Rows(3));
        IDataView scored = _ml.Transforms.CopyColumns("PredictedLabel", "Label").Fit(view).Transform(view);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.MulticlassClassification.Evaluate(scored));
    }

    [TestMethod]
    public void MissingColumnsAreRefused()
    {
        IDataView view = _ml.Data.LoadFromEnumerable(Samples.Rows(3));
        IDataView keyed = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        Assert.Throws<ArgumentException>(() => _ml.MulticlassClassification.Evaluate(keyed));
        Assert.Throws<ArgumentException>(() => _ml.MulticlassClassification.Evaluate(keyed, scoreColumnName: "Nothing", predictedLabelColumnName: "Label"));
    }

    [TestMethod]
    public void CrossValidationScoresEveryRowOnce()
    {
        IDataView data = _ml.Data.LoadFromEnumerable(Samples.Rows(103));
        var folds = _ml.MulticlassClassification.CrossValidate(data, Pipeline, numberOfFolds: 3, seed: 2);
        Assert.HasCount(3, folds);
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, folds.Select(f => f.Fold).ToArray());
        CollectionAssert.AreEquivalent(Samples.Texts(data, "Id"), folds.SelectMany(f => Samples.Texts(f.ScoredHoldOutSet, "Id")).ToArray());
        Assert.IsTrue(folds.All(f => f.Metrics.MicroAccuracy > 0.7 && f.Model is not null));
        double right = folds.Sum(f => f.Metrics.MicroAccuracy * f.ScoredHoldOutSet.GetColumn<string>("Id").Count());
        Assert.AreEqual(93, right, 1e-6);
    }
}

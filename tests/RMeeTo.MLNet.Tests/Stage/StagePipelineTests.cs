using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>The stage among other stages of ML.NET.</summary>
[TestClass]
public sealed class StagePipelineTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Named
    {
        public string Predicted { get; set; } = "";

        public float[] Score { get; set; } = [];
    }

    [TestMethod]
    public void FitsAndEvaluatesFromNothing()
    {
        var scored = Tiny.Chain.Transform(Tiny.Data(_ml, 60, 30));
        var metrics = _ml.MulticlassClassification.Evaluate(scored);
        Assert.IsGreaterThan(0.9, metrics.MicroAccuracy);
        Assert.AreEqual(3, metrics.ConfusionMatrix.NumberOfClasses);
        Assert.IsGreaterThan(0, Tiny.Classifier.Schedule.ReductionRatio);
        Assert.IsNotNull(Tiny.Classifier.Retraining);
        foreach (var row in Tiny.Read(_ml, scored)) Assert.AreEqual(1, row.Score.Sum(), 1e-5);
    }

    [TestMethod]
    public void PredictionEngineEqualsTransformToTheBit()
    {
        var expected = Tiny.Read(_ml, Tiny.Chain.Transform(Tiny.Data(_ml, 60, 20)));
        using var engine = _ml.Model.CreatePredictionEngine<PathRow, Scored>(Tiny.Chain, new PredictionEngineOptions { OwnsTransformer = false });
        Tiny.AreSame(expected, [.. Pictures.Rows(60, 20).Select(engine.Predict)]);
    }

    [TestMethod]
    public void StagesBeforeAndBehind()
    {
        var pipeline = Tiny.Pipeline(_ml, Tiny.MergeOnly(Pictures.Classes)).Append(_ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));
        var model = pipeline.Fit(Tiny.Data(_ml, 0, 12));
        var view = model.Transform(Tiny.Data(_ml, 0, 12));
        string[] names = [.. view.GetColumn<string>("Predicted")];
        uint[] keys = [.. view.GetColumn<uint>("PredictedLabel")];
        CollectionAssert.AreEqual(keys.Select(key => Pictures.Classes[key - 1]).ToArray(), names);
        using var engine = _ml.Model.CreatePredictionEngine<PathRow, Named>(model);
        Assert.AreEqual(names[5], engine.Predict(Pictures.Rows(5, 1)[0]).Predicted);
    }

    [TestMethod]
    public void CrossValidates()
    {
        var options = Tiny.Options(epochs: 2);
        options.ValidationFraction = 0;
        var folds = _ml.MulticlassClassification.CrossValidate(Tiny.Data(_ml, 0, 36), Tiny.Pipeline(_ml, options), numberOfFolds: 2);
        Assert.HasCount(2, folds);
        foreach (var fold in folds) Assert.AreEqual(3, fold.Metrics.ConfusionMatrix.NumberOfClasses);
    }

    [TestMethod]
    public void SchemaIsWhatEvaluatorsLookFor()
    {
        var schema = Tiny.Chain.GetOutputSchema(Tiny.Data(_ml, 0, 3).Schema);
        var score = schema["Score"];
        var label = schema["PredictedLabel"];
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), score.Type);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), label.Type);
        CollectionAssert.AreEqual(Pictures.Classes, Tiny.Texts(score, "SlotNames"));
        CollectionAssert.AreEqual(Pictures.Classes, Tiny.Texts(score, "TrainingLabelValues"));
        CollectionAssert.AreEqual(Pictures.Classes, Tiny.Texts(label, "KeyValues"));
        ReadOnlyMemory<char> kind = default;
        score.Annotations.GetValue("ScoreColumnKind", ref kind);
        Assert.AreEqual("MulticlassClassification", kind.ToString());
        uint id = 0;
        score.Annotations.GetValue("ScoreColumnSetId", ref id);
        Assert.AreEqual(1u, id);
    }

    [TestMethod]
    public void TwoClassifiersInOneChain()
    {
        var second = Tiny.MergeOnly(Pictures.Classes);
        (second.ScoreColumnName, second.PredictedLabelColumnName) = ("Score2", "PredictedLabel2");
        var schema = Tiny.Pipeline(_ml, Tiny.MergeOnly(Pictures.Classes)).Append(_ml.Transforms.VimMergedClassifier(second)).Fit(Tiny.Data(_ml, 0, 12))
            .GetOutputSchema(Tiny.Data(_ml, 0, 12).Schema);
        uint id = 0;
        schema["Score2"].Annotations.GetValue("ScoreColumnSetId", ref id);
        Assert.AreEqual(2u, id);
    }

    [TestMethod]
    public void ShapeBeforeFittingIsThatAfterwards()
    {
        var input = new SchemaShape(
        [
            MlNetInternals.ShapeColumn("ImagePath", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, isKey: false),
            MlNetInternals.ShapeColumn("Label", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, isKey: false),
        ]);
        var shape = Tiny.Pipeline(_ml, Tiny.MergeOnly(Pictures.Classes)).GetOutputSchema(input);
        var label = shape.Single(column => column.Name == "PredictedLabel");
        var score = shape.Single(column => column.Name == "Score");
        Assert.IsTrue(label.IsKey);
        Assert.AreEqual(NumberDataViewType.UInt32, label.ItemType);
        Assert.AreEqual(SchemaShape.Column.VectorKind.Scalar, label.Kind);
        Assert.AreEqual(SchemaShape.Column.VectorKind.Vector, score.Kind);
        Assert.AreEqual(NumberDataViewType.Single, score.ItemType);
        var actual = Tiny.Chain.GetOutputSchema(Tiny.Data(_ml, 0, 3).Schema);
        foreach (var column in (SchemaShape.Column[])[label, score])
            CollectionAssert.AreEquivalent(actual[column.Name].Annotations.Schema.Select(a => a.Name).ToArray(),
                column.Annotations.Select(a => a.Name).ToArray());
    }

    [TestMethod]
    public void TopKSortsAndNames()
    {
        using var image = Pictures.Create(61);
        var top = Tiny.Classifier.TopK(image, 2);
        Assert.HasCount(2, top);
        Assert.IsGreaterThanOrEqualTo(top[1].Probability, top[0].Probability);
        Assert.AreEqual(Pictures.Classes[top[0].Index], top[0].Label);
        var row = Tiny.Read(_ml, Tiny.Chain.Transform(Tiny.Data(_ml, 61, 1)))[0];
        Assert.AreEqual(row.Score.Max(), top[0].Probability);
        CollectionAssert.AreEqual(top.ToArray(), Tiny.Classifier.TopK(row.Score, 2).ToArray());
        Assert.IsEmpty(Tiny.Classifier.TopK([float.NaN, float.NaN, float.NaN]));
        Tiny.Throws<ArgumentException>(() => Tiny.Classifier.TopK([0.5f, 0.5f]), "2 values", "3 classes");
    }
}

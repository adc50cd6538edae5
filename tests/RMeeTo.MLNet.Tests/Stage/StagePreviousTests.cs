using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Fit from a fitted model: what it takes over, and what becomes of added and absent classes.</summary>
[TestClass]
public sealed class StagePreviousTests
{
    private readonly MLContext _ml = new(seed: 1);

    /// <summary>Goes through every step of training and changes no bit: what was trained is what training began with.</summary>
    private static readonly RetrainOptions s_still = new() { LearningRate = 0, MinimumLearningRate = 0, WeightDecay = 0, BatchSize = 12 };

    private static VimMergedClassifierOptions From(ITransformer previous, RetrainOptions? recipe = null) =>
        Tiny.FromPaths(new() { Previous = previous, Epochs = 1, Retraining = recipe ?? s_still, ValidationFraction = 0 });

    private VimMergedClassifierTransformer Fit(VimMergedClassifierOptions options, IDataView data) => _ml.Transforms.VimMergedClassifier(options).Fit(data);

    private IDataView Rows(int first, int count, params string[] classes) => _ml.Data.LoadFromEnumerable(Pictures.Rows(first, count, wholePaths: true)
        .Where((_, i) => (first + i) % 3 < classes.Length).Select(row => new PathRow
        {
            Id = row.Id, ImagePath = row.ImagePath, Label = classes[Array.IndexOf(Pictures.Classes, row.Label)],
        }));

    private IDataView Keyed(IDataView rows) => _ml.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);

    private static float[] Row(VimModel model, string name)
    {
        int k = model.ClassNames.ToList().IndexOf(name);
        var (weight, bias) = (model.Weights.Parameters.Find("head.weight")!, model.Weights.Parameters.Find("head.bias")!);
        int width = weight.Length / bias.Length;
        return [.. model.Weights[weight].Slice(k * width, width), model.Weights[bias][k]];
    }

    private static void RowsAreEqual(VimModel expected, VimModel actual, params string[] names)
    {
        foreach (string name in names) CollectionAssert.AreEqual(Row(expected, name), Row(actual, name), name);
        foreach (var parameter in actual.Weights.Parameters.All)
        {
            var before = expected.Weights.Parameters.Find(parameter.Name)!;
            if (before.Shape.SequenceEqual(parameter.Shape) && !parameter.Name.StartsWith("head", StringComparison.Ordinal))
                Assert.IsTrue(actual.Weights[parameter].SequenceEqual(expected.Weights[before]), parameter.Name);
        }
    }

    [TestMethod]
    public void AnAddedClassKeepsTheOldRowsToTheBit()
    {
        string path = Path.Combine(Path.GetTempPath(), $"rmeeto-{Guid.NewGuid():N}.zip");
        try
        {
            _ml.Model.Save(Tiny.Chain, Tiny.Data(_ml, 0, 1).Schema, path);
            var ml = new MLContext();
            var loaded = ml.Model.Load(path, out _); // a chain
            var log = Tiny.Log(_ml);
            var data = Rows(0, 30, "lava", "sky", "rust");
            using var fitted = Fit(From(loaded), data);
            CollectionAssert.AreEqual(new[] { "rust", "moss", "sky", "lava" }, fitted.ClassNames.ToArray());
            RowsAreEqual(Tiny.Classifier.Model, fitted.Model, "rust", "moss", "sky");
            float[] added = Row(fitted.Model, "lava");
            Assert.IsTrue(added[..^1].All(value => value != 0 && Math.Abs(value) < 0.2), "drawn, and small");
            Assert.AreEqual(0, added[^1]);
            Tiny.HasLine(log, "Distillation from the previous model, over the 3 of 4 classes that it knows");
            Tiny.HasLine(log, "Head replaced: 3 classes before, 4 now; 3 classes kept by name, 1 new");
            Tiny.HasLine(log, "1 of the 3 classes of the previous model do not occur in column 'Label' and are kept: 'moss'");
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestMethod]
    public void AnAddedClassIsLearned()
    {
        var recipe = Tiny.Options().Retraining with { Epochs = 6 };
        var before = From(Tiny.Classifier, recipe);
        using var two = Fit(new VimMergedClassifierOptions
        {
            ImageColumnName = "ImagePath", FromScratch = true, Config = Tiny.Config, TokensPerMerge = 4, CropRatio = 1, Retraining = recipe,
        }, Rows(0, 60, "rust", "moss"));
        (before.Previous, before.Epochs) = (two, null);
        var data = Rows(0, 60, Pictures.Classes);
        using var three = Fit(before, data);
        CollectionAssert.AreEqual(Pictures.Classes, three.ClassNames.ToArray());
        Assert.IsGreaterThan(0.8, _ml.MulticlassClassification.Evaluate(three.Transform(Keyed(Rows(60, 30, Pictures.Classes)))).MicroAccuracy);
        Assert.HasCount(2, two.ClassNames);
    }

    [TestMethod]
    public void ScheduleMergingAndPreprocessingAreThePreviousOnesUnlessSet()
    {
        var merging = new MergeOptions { ClassPosition = MergeClassPosition.Exact };
        var first = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        (first.Merging, first.CropRatio, first.Normalization, first.TokensPerMerge) = (merging, 0.75, new(new(0.5f, 0.4f, 0.3f), new(0.2f, 0.2f, 0.3f)), 3);
        var data = Rows(0, 12, Pictures.Classes);
        using var previous = Fit(first, data);
        using var same = Fit(From(previous), data);
        CollectionAssert.AreEqual(previous.Schedule.RemovedPerBlock.ToArray(), same.Schedule.RemovedPerBlock.ToArray());
        Assert.AreEqual((merging, previous.Model.Preprocessing), (same.Model.Merging, same.Model.Preprocessing));
        Assert.IsTrue(same.Model.Weights.Values.AsSpan().SequenceEqual(previous.Model.Weights.Values));
        Assert.AreNotSame(previous.Model.Weights, same.Model.Weights);

        var log = Tiny.Log(_ml);
        var options = From(previous);
        (options.TokensPerMerge, options.Merging, options.CropRatio, options.Epochs) = (5, MergeOptions.Default, 1, 0);
        using var other = Fit(options, data);
        Assert.AreEqual((5, MergeOptions.Default, 1.0), (other.Schedule.Steps[0].Removed, other.Model.Merging, other.Model.Preprocessing.CropRatio));
        Assert.AreEqual(previous.Model.Preprocessing.Normalization, other.Model.Preprocessing.Normalization);
        Tiny.HasLine(log, $"The previous model's was: {previous.Schedule}");
        Assert.AreEqual(5, new VimMergedClassifierOptions().TokensPerMerge);
        Assert.IsNull(new VimMergedClassifierOptions { Previous = previous }.TokensPerMerge);
    }

    [TestMethod]
    public void FitWithAPreviousModelIsTheSameAsTheOption()
    {
        var data = Rows(0, 24, Pictures.Classes);
        var recipe = Tiny.Options().Retraining with { LearningRate = 1e-3 };
        using var byOption = Fit(From(Tiny.Chain, recipe), data);
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(new() // made with other weights, which do not count
        {
            Model = Tiny.Model("a", "b"), TokensPerMerge = null, Epochs = 1, Retraining = recipe, ValidationFraction = 0,
        }));
        float[] untouched = [.. Tiny.Classifier.Model.Weights.Values];
        using var byArgument = estimator.Fit(data, Tiny.Chain);
        Assert.IsTrue(byArgument.Model.Weights.Values.AsSpan().SequenceEqual(byOption.Model.Weights.Values));
        Assert.IsFalse(byArgument.Model.Weights.Values.AsSpan().SequenceEqual(untouched), "it was trained");
        Assert.IsTrue(Tiny.Classifier.Model.Weights.Values.AsSpan().SequenceEqual(untouched), "the previous model was not");
        using var again = estimator.Fit(data, byArgument);
        Assert.IsFalse(again.Model.Weights.Values.AsSpan().SequenceEqual(byArgument.Model.Weights.Values));
    }

    [TestMethod]
    public void AbsentClassesOfTextsAreKeptOrDropped()
    {
        var log = Tiny.Log(_ml);
        var data = Rows(0, 30, "sky", "rust"); // moss does not occur, and sky comes first
        var options = From(Tiny.Classifier);
        using var kept = Fit(options, data);
        CollectionAssert.AreEqual(Pictures.Classes, kept.ClassNames.ToArray());
        Assert.IsTrue(kept.Model.Weights.Values.AsSpan().SequenceEqual(Tiny.Classifier.Model.Weights.Values));
        Tiny.HasLine(log, "1 of the 3 classes of the previous model do not occur in column 'Label' and are kept: 'moss'");
        foreach (int epochs in (int[])[1, 0])
        {
            (options.AbsentClasses, options.Epochs) = (AbsentClasses.Drop, epochs);
            using var dropped = Fit(options, data);
            CollectionAssert.AreEqual(new[] { "sky", "rust" }, dropped.ClassNames.ToArray());
            RowsAreEqual(Tiny.Classifier.Model, dropped.Model, "sky", "rust");
            Tiny.HasLine(log, "1 of the 3 classes of the previous model do not occur in column 'Label' and are dropped: 'moss'");
        }
    }

    [TestMethod]
    public void AbsentClassesStandBehindThoseOfAKey()
    {
        var data = Keyed(Rows(0, 30, "sky", "lava"));
        using var kept = Fit(From(Tiny.Classifier), data);
        CollectionAssert.AreEqual(new[] { "sky", "lava", "rust", "moss" }, kept.ClassNames.ToArray());
        RowsAreEqual(Tiny.Classifier.Model, kept.Model, "sky", "rust", "moss");
        var view = kept.Transform(data);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 4), view.Schema["PredictedLabel"].Type);
        CollectionAssert.AreEqual(new[] { "sky", "lava", "rust", "moss" }, Tiny.Texts(view.Schema["Score"], "SlotNames"));
        CollectionAssert.AreEqual(new[] { "sky", "lava", "rust", "moss" }, Tiny.Texts(view.Schema["PredictedLabel"], "KeyValues"));
        var metrics = _ml.MulticlassClassification.Evaluate(view); // the label has two of the four
        Assert.IsTrue(metrics.LogLoss is > 0 and < 10, $"{metrics.LogLoss}");
        var options = From(Tiny.Classifier);
        options.AbsentClasses = AbsentClasses.Drop;
        using var dropped = Fit(options, data);
        CollectionAssert.AreEqual(new[] { "sky", "lava" }, dropped.ClassNames.ToArray());
    }

    [TestMethod]
    public void ThePreviousModelIsTheTeacherAsItIs()
    {
        var data = Rows(0, 24, Pictures.Classes);
        var log = Tiny.Log(_ml);
        VimMergedClassifierTransformer Trained(double weight, int? tokens)
        {
            var options = From(Tiny.Classifier, Tiny.Options().Retraining with { LearningRate = 2e-3, TeacherLossWeight = weight });
            (options.TokensPerMerge, options.Epochs) = (tokens, 2);
            return Fit(options, data);
        }
        using VimMergedClassifierTransformer alone = Trained(0, null), taught = Trained(20, null), unmerged = Trained(20, 0);
        Tiny.HasLine(log, "Distillation from the previous model, over the 3 of 3 classes that it knows");
        // Held back by what it knew: nearer to the previous weights than without the teacher.
        Assert.IsLessThan(Distance(alone.Model), Distance(taught.Model));
        // The teacher of a network without merges merges as before, so there is something to learn although the weights are the same.
        Assert.IsTrue(unmerged.Schedule.IsDense);
        var expected = Retrain(Tiny.Classifier.Model);
        Assert.AreEqual(expected, taught.Retraining!.Epochs[0].Loss, 1e-12);

        static double Distance(VimModel model) => Math.Sqrt(model.Weights.Values.Zip(Tiny.Classifier.Model.Weights.Values, (a, b) => Math.Pow(a - b, 2)).Sum());

        double Retrain(VimModel teacher)
        {
            using var store = Tiny.Store(teacher.Preprocessing, 24);
            var recipe = Tiny.Options().Retraining with { LearningRate = 2e-3, TeacherLossWeight = 20, Epochs = 2 };
            return Retrainer.Run(teacher, new ImageSet(store), null, recipe, teacher).Epochs[0].Loss;
        }
    }

    [TestMethod]
    public void NumbersKeepTheirTypeAndOtherTypesAreRefused()
    {
        IDataView Numbers<T>(Func<int, T> label) => _ml.Data.LoadFromEnumerable(Pictures.Rows(0, 18, wholePaths: true)
            .Select((row, i) => new { row.Id, row.ImagePath, Label = label(i) }));
        using var previous = Fit(Tiny.FromPaths(Tiny.Options(epochs: 1)), Numbers(i => 10 * (i % 3)));
        using var next = Fit(From(previous), Numbers(i => 5 + 5 * (i % 2)));
        VBuffer<int> values = default;
        next.Transform(Numbers(i => 0)).Schema["PredictedLabel"].GetKeyValues(ref values);
        CollectionAssert.AreEqual(new[] { 0, 10, 20, 5 }, values.DenseValues().ToArray());
        using var texts = Fit(From(next), Numbers(i => i % 2 == 0 ? "10" : "lots")); // any value is a text
        CollectionAssert.AreEqual(new[] { "0", "10", "20", "5", "lots" }, texts.ClassNames.ToArray());
        Tiny.Throws<ArgumentOutOfRangeException>(() => Fit(From(texts), Numbers(i => i % 2)), "Column 'Label' is Int32", "Text", "'lots'",
            "AbsentClasses to Drop");
    }

    [TestMethod]
    public void ClassesThatAreAllNewAreWarnedOf()
    {
        var log = Tiny.Log(_ml);
        using var fitted = Fit(From(Tiny.Classifier), Rows(0, 12, "Rust", "Moss"));
        Assert.HasCount(5, fitted.ClassNames);
        Tiny.HasLine(log, "Warning: None of the 3 classes of the previous model occurs in column 'Label'");
        var options = From(Tiny.Classifier);
        options.AbsentClasses = AbsentClasses.Drop;
        using var other = Fit(options, Rows(0, 12, "Rust", "moss"));
        Tiny.HasLine(log, "No distillation: the previous model knows 1 of the 2 classes");
        (options.AbsentClasses, options.Epochs) = (AbsentClasses.Keep, 0);
        Tiny.Throws<InvalidOperationException>(() => Fit(options, Rows(0, 12, "rust", "lava")), "Epochs is 0", "does not know 1 of the 2 classes", "'lava'");
    }

    [TestMethod]
    public void MistakesAreClear()
    {
        var keys = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Data(_ml, 0, 3));
        Tiny.Throws<ArgumentException>(() => From(keys), "holds no VimMergedClassifierTransformer", "Model.Load");
        using var second = Fit(Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes)), Rows(0, 6, Pictures.Classes));
        Tiny.Throws<ArgumentException>(() => From(new TransformerChain<ITransformer>(Tiny.Chain, second)), "holds 2 VimMergedClassifierTransformers");
        Assert.IsNotNull(From(new TransformerChain<ITransformer>(keys, Tiny.Chain)).Previous); // a chain in a chain
        var options = From(Tiny.Classifier);
        options.Model = Tiny.Model("a", "b");
        Tiny.Throws<ArgumentException>(() => _ml.Transforms.VimMergedClassifier(options), "Model, Previous");
        Tiny.Throws<ArgumentOutOfRangeException>(() => options.AbsentClasses = (AbsentClasses)7, "AbsentClasses is 7");
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes)));
        Assert.Throws<ArgumentNullException>(() => estimator.Fit(Rows(0, 6, Pictures.Classes), null!));
        Tiny.Throws<ArgumentException>(() => estimator.Fit(Rows(0, 6, Pictures.Classes), keys), "holds no VimMergedClassifierTransformer");
    }
}

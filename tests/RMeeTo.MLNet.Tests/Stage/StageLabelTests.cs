using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Kinds of label columns, and how classes go by name.</summary>
[TestClass]
public sealed class StageLabelTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class KeyRow
    {
        public string Id { get; set; } = "";

        public string ImagePath { get; set; } = "";

        [KeyType(4)]
        public uint Label { get; set; }
    }

    private sealed class NumberRow<T>
    {
        public string Id { get; set; } = "";

        public string ImagePath { get; set; } = "";

        public T Label { get; set; } = default!;
    }

    private IDataView Numbers<T>(Func<int, T> label, int count = 18) => _ml.Data.LoadFromEnumerable(Pictures.Rows(0, count, wholePaths: true)
        .Select((row, i) => new NumberRow<T> { Id = row.Id, ImagePath = row.ImagePath, Label = label(i) }));

    private VimMergedClassifierTransformer Fit(IDataView data, VimMergedClassifierOptions? options = null) =>
        _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(options ?? Tiny.Options(epochs: 1))).Fit(data);

    private static T[] KeyValues<T>(IDataView view)
    {
        VBuffer<T> values = default;
        view.Schema["PredictedLabel"].GetKeyValues(ref values);
        return [.. values.DenseValues()];
    }

    [TestMethod]
    public void TextIsNumberedInOrderOfAppearance()
    {
        var data = Tiny.Data(_ml, 0, 18, wholePaths: true);
        using var fitted = Fit(data);
        CollectionAssert.AreEqual(Pictures.Classes, fitted.ClassNames.ToArray());
        var view = fitted.Transform(data);
        CollectionAssert.AreEqual(Pictures.Classes, KeyValues<ReadOnlyMemory<char>>(view).Select(name => name.ToString()).ToArray());
    }

    [TestMethod]
    public void NumbersKeepTheirType()
    {
        using var ints = Fit(Numbers(i => 30 - 10 * (i % 3)));
        CollectionAssert.AreEqual(new[] { "30", "20", "10" }, ints.ClassNames.ToArray());
        var view = ints.Transform(Numbers(i => 0));
        CollectionAssert.AreEqual(new[] { 30, 20, 10 }, KeyValues<int>(view));
        var mapped = _ml.Transforms.Conversion.MapKeyToValue("Value", "PredictedLabel").Fit(view).Transform(view);
        Assert.AreEqual(NumberDataViewType.Int32, mapped.Schema["Value"].Type);
        using var floats = Fit(Numbers(i => i % 6 == 0 ? float.NaN : i % 2 + 0.5f));
        CollectionAssert.AreEqual(new[] { 1.5f, 0.5f }, KeyValues<float>(floats.Transform(Numbers(i => 0f))));
        using var flags = Fit(Numbers(i => i % 2 == 0));
        CollectionAssert.AreEqual(new[] { true, false }, KeyValues<bool>(flags.Transform(Numbers(i => true))));
    }

    [TestMethod]
    public void KeyWithoutValuesGetsNumbers()
    {
        var log = Tiny.Log(_ml);
        var rows = Pictures.Rows(0, 20, wholePaths: true)
            .Select((row, i) => new KeyRow { Id = row.Id, ImagePath = row.ImagePath, Label = i == 3 ? 9u : (uint)(i % 3) });
        using var fitted = Fit(_ml.Data.LoadFromEnumerable(rows));
        CollectionAssert.AreEqual(new[] { "0", "1", "2", "3" }, fitted.ClassNames.ToArray()); // the fourth has no image, and is a class all the same
        Tiny.HasLine(log, "Warning: 1 training rows have no label and were left out");
        var view = fitted.Transform(_ml.Data.LoadFromEnumerable(rows));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 4), view.Schema["PredictedLabel"].Type);
    }

    [TestMethod]
    public void KeyOfNumbersKeepsItsValues()
    {
        var data = Numbers(i => 7 + i % 3);
        var keyed = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
        using var fitted = Fit(keyed);
        CollectionAssert.AreEqual(new[] { 7, 8, 9 }, KeyValues<int>(fitted.Transform(data)));
    }

    [TestMethod]
    public void MissingLabelsAreLeftOutAndCounted()
    {
        var rows = Pictures.Rows(0, 21, wholePaths: true);
        (rows[4].Label, rows[9].Label) = ("", "");
        var log = Tiny.Log(_ml);
        using var fitted = Fit(_ml.Data.LoadFromEnumerable(rows));
        Tiny.HasLine(log, "Warning: 2 training rows have no label and were left out");
        Assert.HasCount(3, fitted.ClassNames);
    }

    [TestMethod]
    public void ClassesOfTheCheckpointAreMatchedByName()
    {
        var rows = Tiny.Data(_ml, 0, 12, wholePaths: true);
        var data = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
        using var straight = Fit(data, Tiny.MergeOnly("rust", "moss", "sky"));
        var turned = Tiny.MergeOnly("rust", "moss", "sky");
        turned.Model = turned.Model!.WithHead(["sky", "rust", "moss"], 0);
        using var fitted = Fit(data, turned);
        CollectionAssert.AreEqual(Pictures.Classes, fitted.ClassNames.ToArray());
        Tiny.AreSame(Tiny.Read(_ml, straight.Transform(data)), Tiny.Read(_ml, fitted.Transform(data)));
    }

    [TestMethod]
    public void MergingKeepsClassesThatNoRowHas()
    {
        var data = Tiny.Data(_ml, 0, 2, wholePaths: true); // rust and moss
        using var fitted = Fit(data, Tiny.MergeOnly("sky", "rust", "moss", "lava"));
        CollectionAssert.AreEqual(new[] { "sky", "rust", "moss", "lava" }, fitted.ClassNames.ToArray());
        var keyed = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
        using var subset = Fit(keyed, Tiny.MergeOnly("sky", "rust", "moss", "lava"));
        CollectionAssert.AreEqual(new[] { "rust", "moss" }, subset.ClassNames.ToArray());
    }

    [TestMethod]
    public void CheckpointWithoutNamesGoesByIndexAndSaysSo()
    {
        var model = Tiny.Model("a", "b", "c");
        using var stream = new MemoryStream();
        RMeeTo.Vim.Checkpoints.VimCheckpoint.Save(stream, model.Weights);
        stream.Position = 0;
        var options = Tiny.FromPaths(new VimMergedClassifierOptions { CheckpointStream = stream, Config = Tiny.Config, Epochs = 0, TokensPerMerge = 4 });
        var log = Tiny.Log(_ml);
        var data = Tiny.Data(_ml, 0, 12, wholePaths: true);
        var estimator = _ml.Transforms.VimMergedClassifier(options);
        using var first = estimator.Fit(data);
        using var second = estimator.Fit(data);
        Tiny.HasLine(log, "Warning: The checkpoint carries no class names; its 3 classes are taken in the order of the label's");
        Assert.IsTrue(first.Model.Weights.Values.AsSpan().SequenceEqual(model.Weights.Values));
        Assert.IsTrue(second.Model.Weights.Values.AsSpan().SequenceEqual(model.Weights.Values));
    }

    [TestMethod]
    public void EveryTypeOfLabelComesBackExactlyFromItsText()
    {
        void Same<T>(PrimitiveDataViewType type, params T[] values)
        {
            var classes = new LabelClasses<T>(type, values);
            var back = LabelClasses.Parse(classes.ValueTypeName, classes.Names);
            var builder = new DataViewSchema.Annotations.Builder();
            back.AddKeyValues(builder);
            VBuffer<T> read = default;
            builder.ToAnnotations().GetValue("KeyValues", ref read);
            CollectionAssert.AreEqual(values, read.DenseValues().ToArray());
            Assert.AreEqual(type, back.ValueType);
        }
        Same(NumberDataViewType.Single, 0.1f, float.MaxValue, -1e-30f);
        Same(NumberDataViewType.Double, 0.1, 1 / 3.0, double.Epsilon);
        Same(NumberDataViewType.Int64, long.MinValue, 0L);
        Same(NumberDataViewType.UInt64, ulong.MaxValue, 1UL);
        Same(NumberDataViewType.SByte, (sbyte)-1, (sbyte)2);
        Same(NumberDataViewType.Byte, (byte)1, (byte)2);
        Same(NumberDataViewType.Int16, (short)-1, (short)2);
        Same(NumberDataViewType.UInt16, (ushort)1, (ushort)2);
        Same(NumberDataViewType.UInt32, 1u, 2u);
        Same(BooleanDataViewType.Instance, true, false);
        Same(TimeSpanDataViewType.Instance, TimeSpan.FromTicks(1), TimeSpan.FromDays(400));
        Same(DateTimeDataViewType.Instance, new DateTime(2024, 2, 29, 1, 2, 3, DateTimeKind.Utc).AddTicks(7), DateTime.MinValue);
        Same(DateTimeOffsetDataViewType.Instance, new DateTimeOffset(2024, 2, 29, 1, 2, 3, TimeSpan.FromHours(5)));
        Tiny.Throws<ArgumentException>(() => LabelClasses.OfNames(["a", "b", "a"]), "'a'");
        Tiny.Throws<FormatException>(() => LabelClasses.Parse("Colour", []), "'Colour'");
    }
}

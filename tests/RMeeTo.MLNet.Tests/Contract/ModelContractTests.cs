using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>Saving, loading and predicting one row, with a transformer from outside of ML.NET in the chain.</summary>
[TestClass]
public sealed class ModelContractTests
{
    private readonly MLContext _ml = new(seed: 1);

    private IDataView View() => _ml.Data.LoadFromEnumerable(Samples.Rows(6));

    private TransformerChain<ITransformer> Chain(SumTransformer sum) => new(
        _ml.Transforms.Conversion.MapValueToKey("Key", "Label").Append(_ml.Transforms.Conversion.MapKeyToValue("Name", "Key")).Fit(View()), sum,
        _ml.Transforms.CopyColumns("Copy", "Sum").Fit(_ml.Data.LoadFromEnumerable(new[] { new { Sum = 1.0 } })));

    private static SumTransformer Sum() => new(2, [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * i))]);

    public sealed class Output
    {
        public string? Name { get; set; }
        public double Copy;
        public double Absent = 7;
    }

    [TestMethod]
    public void SavedModelIsLoadedWithItsOwnTypes()
    {
        using var stream = new MemoryStream();
        SumTransformer sum = Sum();
        _ml.Model.Save(Chain(sum), View().Schema, stream);

        stream.Position = 0;
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true))
        {
            string[] entries = [.. zip.Entries.Select(e => e.FullName.Replace('\\', '/'))];
            CollectionAssert.IsSubsetOf(new[] { "TransformerChain/Model.key", "TransformerChain/Transform_001/Model.key",
                "TransformerChain/Transform_001/Payload.bin", "Schema" }, entries);
        }

        stream.Position = 0;
        var fresh = new MLContext();
        ITransformer loaded = fresh.Model.Load(stream, out DataViewSchema schema);
        CollectionAssert.AreEqual(View().Schema.Select(c => c.ToString()).ToArray(), schema.Select(c => c.ToString()).ToArray());
        SumTransformer again = ((IEnumerable<ITransformer>)loaded).OfType<SumTransformer>().Single();
        CollectionAssert.AreEqual(sum.Payload, again.Payload);
        using PredictionEngine<Samples.Row, Output> engine = fresh.Model.CreatePredictionEngine<Samples.Row, Output>(loaded);
        Output output = engine.Predict(new Samples.Row { Label = "dog", Score = [1, 2, 3] });
        Assert.AreEqual("dog", output.Name);
        Assert.AreEqual(12, output.Copy, 1e-6);

        // A model that was loaded can be saved once more.
        using var second = new MemoryStream();
        fresh.Model.Save(loaded, schema, second);
        second.Position = 0;
        Assert.IsNotNull(_ml.Model.Load(second, out _));
    }

    [TestMethod]
    public void ModelWithoutSchemaLoadsWithoutOne()
    {
        string path = Path.GetTempFileName();
        _ml.Model.Save(Sum(), null, path);
        Assert.IsInstanceOfType<SumTransformer>(_ml.Model.Load(path, out DataViewSchema? schema));
        Assert.IsNull(schema);
        File.Delete(path);
    }

    [TestMethod]
    public void LaterVersionAndUnknownModelAreFormatErrors()
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
            zip.CreateEntry("Nothing.txt");
        stream.Position = 0;
        Assert.Throws<Exception>(() => _ml.Model.Load(stream, out _));
        Assert.Throws<Exception>(() => _ml.Model.Load(new MemoryStream([1, 2, 3]), out _));
    }

    [TestMethod]
    public void EngineComputesAnewForEveryRowAndLeavesOtherMembersAlone()
    {
        using PredictionEngine<Samples.Row, Output> engine = _ml.Model.CreatePredictionEngine<Samples.Row, Output>(Chain(Sum()));
        var output = new Output();
        foreach (int i in Enumerable.Range(1, 3))
        {
            engine.Predict(new Samples.Row { Label = "cat", Score = [i, i, i] }, ref output);
            Assert.AreEqual(6 * i, output.Copy, 1e-6);
            Assert.AreEqual("cat", output.Name);
            Assert.AreEqual(7, output.Absent);
        }
        Assert.AreEqual("", engine.Predict(new Samples.Row { Label = "emu", Score = [1, 1, 1] }).Name);
        Assert.AreSame(NumberDataViewType.Double, engine.OutputSchema["Sum"].Type);
    }

    [TestMethod]
    public void EngineOwnsTheTransformerUnlessToldOtherwise()
    {
        SumTransformer owned = Sum(), lent = Sum();
        _ml.Model.CreatePredictionEngine<Samples.Row, Output>(owned).Dispose();
        _ml.Model.CreatePredictionEngine<Samples.Row, Output>(lent, new PredictionEngineOptions { OwnsTransformer = false }).Dispose();
        Assert.AreEqual(1, owned.Disposed);
        Assert.AreEqual(0, lent.Disposed);
        Chain(lent).Dispose();
        Assert.AreEqual(1, lent.Disposed);
    }

    [TestMethod]
    public void MissingOutputIsAnErrorWhereAskedFor()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            _ml.Model.CreatePredictionEngine<Samples.Row, Output>(Chain(Sum()), new PredictionEngineOptions { IgnoreMissingColumns = false }));
        Assert.Throws<ArgumentNullException>(() => _ml.Model.CreatePredictionEngine<Samples.Row, Output>(Chain(Sum())).Predict(null!));
    }

    [TestMethod]
    public void ShapeOfAColumnCanBeMade()
    {
        var names = new SchemaShape.Column("KeyValues", SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, false);
        var key = new SchemaShape.Column("Key", SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, true, new SchemaShape([names]));
        SchemaShape output = _ml.Transforms.Conversion.MapKeyToValue("Name", "Key").GetOutputSchema(new SchemaShape([key]));
        SchemaShape.Column name = output.Single(c => c.Name == "Name");
        Assert.AreSame(TextDataViewType.Instance, name.ItemType);
        Assert.IsFalse(name.IsKey);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new SchemaShape.Column("K", SchemaShape.Column.VectorKind.Scalar, new KeyDataViewType(typeof(uint), 3), true));
    }
}

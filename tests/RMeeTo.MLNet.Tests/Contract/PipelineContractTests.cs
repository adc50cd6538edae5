using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>Append, Fit, Transform, the conversions, the operations on data, and the environment.</summary>
[TestClass]
public sealed class PipelineContractTests
{
    private readonly MLContext _ml = new(seed: 1);

    private IDataView View(int rows = 6) => _ml.Data.LoadFromEnumerable(Samples.Rows(rows));

    [TestMethod]
    public void KeysCountFromOneInOrderOfOccurrence()
    {
        IDataView keyed = _ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(View()).Transform(View());
        CollectionAssert.AreEqual(new uint[] { 1, 2, 3, 1, 2, 3 }, keyed.GetColumn<uint>("Key").ToArray());
        CollectionAssert.AreEqual(new[] { "cat", "dog", "owl" }, Samples.KeyValues(keyed.Schema["Key"]));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), keyed.Schema["Key"].Type);
    }

    [TestMethod]
    public void ValuesWithoutAKeyAreMissing()
    {
        IDataView names = _ml.Data.LoadFromEnumerable(new[] { new { Name = "owl" }, new { Name = "cat" } });
        IDataView keyed = _ml.Transforms.Conversion.MapValueToKey("Key", "Label", keyData: names).Fit(View()).Transform(View());
        CollectionAssert.AreEqual(new uint[] { 2, 0, 1, 2, 0, 1 }, keyed.GetColumn<uint>("Key").ToArray());
        IDataView back = _ml.Transforms.Conversion.MapKeyToValue("Name", "Key").Fit(keyed).Transform(keyed);
        CollectionAssert.AreEqual(new[] { "cat", "", "owl", "cat", "", "owl" }, Samples.Texts(back, "Name"));
    }

    [TestMethod]
    public void NumbersBecomeKeysWithValuesOfTheirOwnType()
    {
        IDataView keyed = _ml.Transforms.Conversion.MapValueToKey("Key", "Number").Fit(View(3)).Transform(View(3));
        VBuffer<float> values = default;
        keyed.Schema["Key"].GetKeyValues(ref values);
        CollectionAssert.AreEqual(new float[] { 0, 1, 2 }, values.DenseValues().ToArray());
        IDataView back = _ml.Transforms.Conversion.MapKeyToValue("Back", "Key").Fit(keyed).Transform(keyed);
        CollectionAssert.AreEqual(new float[] { 0, 1, 2 }, back.GetColumn<float>("Back").ToArray());
    }

    [TestMethod]
    public void ChainOfEstimatorsBecomesChainOfTransformers()
    {
        EstimatorChain<KeyToValueMappingTransformer> chain = _ml.Transforms.Conversion.MapValueToKey("Key", "Label")
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Name", "Key"));
        TransformerChain<KeyToValueMappingTransformer> model = chain.Fit(View());
        Assert.AreEqual(2, model.Count());
        Assert.AreSame(model.Last(), model.LastTransformer);
        IDataView output = model.Transform(View());
        Assert.AreEqual(model.GetOutputSchema(View().Schema).Count, output.Schema.Count);
        CollectionAssert.AreEqual(Samples.Texts(View(), "Label"), Samples.Texts(output, "Name"));
        Assert.AreEqual(6, output.GetRowCount());
    }

    [TestMethod]
    public void MissingColumnIsFoundBeforeAnythingIsRead()
    {
        IDataView unreadable = _ml.Data.LoadFromEnumerable(Samples.Rows(3).Select<Samples.Row, Samples.Row>(_ => throw new TimeoutException()));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.Conversion.MapValueToKey("Key", "Label")
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Name", "NoSuchKey")).Fit(unreadable));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.CopyColumns("A", "NoSuchColumn").Fit(View()));
    }

    [TestMethod]
    public void CreateEnumerableFillsFieldsAndProperties()
    {
        Samples.Row[] rows = [.. _ml.Data.CreateEnumerable<Samples.Row>(View(), reuseRowObject: false)];
        CollectionAssert.AreEqual(Samples.Rows(6).Select(r => r.Id + r.Label).ToArray(), rows.Select(r => r.Id + r.Label).ToArray());
        CollectionAssert.AreEqual(Samples.Rows(6)[1].Score, rows[1].Score);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Data.CreateEnumerable<Wanting>(View(), reuseRowObject: false).Count());
        Assert.AreEqual(6, _ml.Data.CreateEnumerable<Wanting>(View(), reuseRowObject: true, ignoreMissingColumns: true).Count());
    }

    public sealed class Wanting
    {
        public string? Id;
        public float Absent;
    }

    [TestMethod]
    public void DeclaredKeysCountFromZeroInTheObject()
    {
        IDataView view = _ml.Data.LoadFromEnumerable(new Keyed[] { new() { Key = 0 }, new() { Key = 2 }, new() { Key = 3 } });
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), view.Schema["Key"].Type);
        CollectionAssert.AreEqual(new uint[] { 1, 3, 0 }, view.GetColumn<uint>("Key").ToArray());
    }

    public sealed class Keyed
    {
        [KeyType(3)]
        public uint Key;
    }

    [TestMethod]
    public void ValuesOfSeveralKindsBecomeKeysAndComeBackAfterSaving()
    {
        IDataView view = _ml.Data.LoadFromEnumerable(new Kinds[] { new(), new() { Yes = false, Number = 9, Real = -1e-300 } });
        ITransformer model = _ml.Transforms.Conversion.MapValueToKey("Yes").Append(_ml.Transforms.Conversion.MapKeyToValue("Yes"))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Number")).Append(_ml.Transforms.Conversion.MapKeyToValue("Number"))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Real")).Append(_ml.Transforms.Conversion.MapKeyToValue("Real")).Fit(view);
        using var stream = new MemoryStream();
        _ml.Model.Save(model, model.GetOutputSchema(view.Schema), stream);
        stream.Position = 0;
        IDataView output = new MLContext().Model.Load(stream, out DataViewSchema schema).Transform(view);
        Assert.AreEqual(9, schema.Count);
        CollectionAssert.AreEqual(view.GetColumn<bool>("Yes").ToArray(), output.GetColumn<bool>("Yes").ToArray());
        CollectionAssert.AreEqual(view.GetColumn<long>("Number").ToArray(), output.GetColumn<long>("Number").ToArray());
        CollectionAssert.AreEqual(view.GetColumn<double>("Real").ToArray(), output.GetColumn<double>("Real").ToArray());
    }

    public sealed class Kinds
    {
        public bool Yes = true;
        public long Number = -8;
        public double Real = 0.1;
    }

    [TestMethod]
    public void RowsAreTaken() => CollectionAssert.AreEqual(new[] { "r0", "r1" }, Samples.Texts(_ml.Data.TakeRows(View(), 2), "Id"));

    [TestMethod]
    public void LogSeesTheMessagesOfEveryHost()
    {
        var seen = new List<string>();
        _ml.Log += (_, e) => seen.Add($"{e.Kind}|{e.Source}|{e.RawMessage}");
        IHost host = ((IHostEnvironment)_ml).Register("Stage");
        using (IChannel channel = host.Start("Train"))
        {
            channel.Info(MessageSensitivity.None, "epoch {0}", 1);
            channel.Warning(MessageSensitivity.None, "slow");
        }
        CollectionAssert.Contains(seen, "Info|Stage; Train|epoch 1");
        CollectionAssert.Contains(seen, "Warning|Stage; Train|slow");
    }

    [TestMethod]
    public void CatalogShowsTheDeviceThatTheContextAsksFor()
    {
        var environment = (IHostEnvironmentInternal)((IInternalCatalog)_ml.Transforms).Environment;
        Assert.IsFalse(_ml.FallbackToCpu);
        Assert.IsNull(environment.GpuDeviceId);
        IHostEnvironment early = environment.Register("early");
        _ml.GpuDeviceId = 1;
        _ml.FallbackToCpu = true;
        Assert.AreEqual(1, environment.GpuDeviceId);
        Assert.IsTrue(environment.FallbackToCpu);
        Assert.IsNull(((IHostEnvironmentInternal)early).GpuDeviceId);
        Assert.IsFalse(((ICancelable)environment.Register("any")).IsCanceled);
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>What the stage takes for granted of rows, cursors and views, of ML.NET and of the stand-in alike.</summary>
[TestClass]
public sealed class CursorContractTests
{
    private readonly MLContext _ml = new(seed: 1);

    private IDataView View(int rows = 5) => _ml.Data.LoadFromEnumerable(Samples.Rows(rows));

    [TestMethod]
    public void PositionCountsFromZeroAndStopsForGood()
    {
        using DataViewRowCursor cursor = View(2).GetRowCursor(View().Schema.Take(0));
        Assert.AreEqual(-1, cursor.Position);
        Assert.IsTrue(cursor.MoveNext());
        Assert.AreEqual(0, cursor.Position);
        Assert.IsTrue(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
        Assert.IsFalse(cursor.MoveNext());
        cursor.Dispose();
    }

    [TestMethod]
    public void SchemaOfCursorIsThatOfItsView()
    {
        IDataView view = View();
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        Assert.AreSame(view.Schema, cursor.Schema);
    }

    [TestMethod]
    public void GetterOfInactiveColumnThrows()
    {
        IDataView view = View();
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema["Id"]]);
        Assert.IsTrue(cursor.IsColumnActive(view.Schema["Id"]));
        Assert.IsFalse(cursor.IsColumnActive(view.Schema["Number"]));
        Assert.Throws<ArgumentException>(() => cursor.GetGetter<float>(view.Schema["Number"]));
    }

    [TestMethod]
    public void GetterOfWrongTypeThrows()
    {
        IDataView view = View();
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        Assert.Throws<InvalidOperationException>(() => cursor.GetGetter<int>(view.Schema["Number"]));
    }

    [TestMethod]
    public void GetterBeforeFirstRowThrows()
    {
        IDataView view = View();
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        ValueGetter<float> getter = cursor.GetGetter<float>(view.Schema["Number"]);
        float value = 0;
        Assert.Throws<Exception>(() => getter(ref value));
    }

    [TestMethod]
    public void GettersAreCalledAsOftenAsOneLikes()
    {
        IDataView view = View();
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        ValueGetter<VBuffer<float>> score = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
        VBuffer<float> first = default, second = default;
        cursor.MoveNext();
        score(ref first);
        score(ref second);
        cursor.MoveNext();
        score(ref second);
        CollectionAssert.AreEqual(new[] { 0.8f, 0.1f, 0.1f }, first.DenseValues().ToArray());
        CollectionAssert.AreEqual(new[] { 0.1f, 0.8f, 0.1f }, second.DenseValues().ToArray());
    }

    [TestMethod]
    public void IdsAreStableAcrossCursorsAndShuffles()
    {
        IDataView view = _ml.Data.Cache(View(40));
        Assert.IsTrue(view.CanShuffle);
        Dictionary<string, DataViewRowId> plain = Ids(view, null), shuffled = Ids(view, new Random(3));
        Assert.HasCount(40, shuffled);
        foreach ((string name, DataViewRowId id) in plain)
            Assert.AreEqual(id, shuffled[name]);
        CollectionAssert.AreNotEqual(plain.Keys.ToArray(), shuffled.Keys.ToArray());
    }

    private static Dictionary<string, DataViewRowId> Ids(IDataView view, Random? random)
    {
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema, random);
        ValueGetter<ReadOnlyMemory<char>> name = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Id"]);
        ValueGetter<DataViewRowId> getId = cursor.GetIdGetter();
        var ids = new Dictionary<string, DataViewRowId>();
        while (cursor.MoveNext())
        {
            ReadOnlyMemory<char> text = default;
            DataViewRowId id = default;
            name(ref text);
            getId(ref id);
            ids.Add(text.ToString(), id);
        }
        return ids;
    }

    [TestMethod]
    public void RowCountIsKnownOfACollectionOnly()
    {
        Assert.AreEqual(5, View().GetRowCount());
        Assert.IsNull(_ml.Data.LoadFromEnumerable(Samples.Rows(5).Where(r => r.Number > 1)).GetRowCount());
        Assert.IsFalse(View().CanShuffle);
    }

    [TestMethod]
    public void CursorSetHoldsEveryRowOnce()
    {
        IDataView view = _ml.Transforms.CopyColumns("Copy", "Id").Fit(View(20)).Transform(View(20));
        var seen = new List<string>();
        foreach (DataViewRowCursor cursor in view.GetRowCursorSet(view.Schema, 3))
            using (cursor)
            {
                ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Copy"]);
                ReadOnlyMemory<char> value = default;
                while (cursor.MoveNext())
                {
                    getter(ref value);
                    seen.Add(value.ToString());
                }
            }
        CollectionAssert.AreEquivalent(Samples.Rows(20).Select(r => r.Id).ToArray(), seen);
    }

    [TestMethod]
    public void LaterColumnHidesEarlierOfSameName()
    {
        IDataView keyed = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(View()).Transform(View());
        DataViewSchema.Column[] labels = [.. keyed.Schema.Where(c => c.Name == "Label")];
        Assert.HasCount(2, labels);
        Assert.IsTrue(labels[0].IsHidden);
        Assert.IsFalse(labels[1].IsHidden);
        Assert.AreEqual(labels[1].Index, keyed.Schema["Label"].Index);
        Assert.IsInstanceOfType<TextDataViewType>(labels[0].Type);
        Assert.IsInstanceOfType<KeyDataViewType>(labels[1].Type);
        using DataViewRowCursor cursor = keyed.GetRowCursor(keyed.Schema);
        Assert.IsTrue(cursor.MoveNext());
        ReadOnlyMemory<char> text = default;
        uint key = 0;
        cursor.GetGetter<ReadOnlyMemory<char>>(labels[0])(ref text);
        cursor.GetGetter<uint>(labels[1])(ref key);
        Assert.AreEqual("cat", text.ToString());
        Assert.AreEqual(1u, key);
    }

    [TestMethod]
    public void MissingColumnsAreNamedByTheSchema()
    {
        DataViewSchema schema = View().Schema;
        Assert.IsNull(schema.GetColumnOrNull("Nothing"));
        Assert.Throws<ArgumentOutOfRangeException>(() => schema["Nothing"]);
        Assert.Throws<ArgumentOutOfRangeException>(() => schema[99]);
        Assert.Throws<ArgumentOutOfRangeException>(() => schema[0].Annotations.Schema["KeyValues"]);
    }

    [TestMethod]
    public void SparseVectorsFillInZeros()
    {
        var sparse = new VBuffer<float>(5, 2, [7, 9], [1, 4]);
        CollectionAssert.AreEqual(new float[] { 0, 7, 0, 0, 9 }, sparse.DenseValues().ToArray());
        VBuffer<float> copy = default;
        sparse.CopyTo(ref copy);
        var dense = new float[5];
        copy.CopyTo(dense);
        CollectionAssert.AreEqual(new float[] { 0, 7, 0, 0, 9 }, dense);
    }

    [TestMethod]
    public void EditorUsesTheOldArrayWhereItIsLongEnough()
    {
        var buffer = new VBuffer<float>(4, [1, 2, 3, 4]);
        VBufferEditor<float> editor = VBufferEditor.Create(ref buffer, 3);
        Assert.IsFalse(editor.CreatedNewValues);
        editor.Values.Fill(5);
        buffer = editor.Commit();
        Assert.AreEqual(3, buffer.Length);
        Assert.IsTrue(VBufferEditor.Create(ref buffer, 8).CreatedNewValues);
    }
}

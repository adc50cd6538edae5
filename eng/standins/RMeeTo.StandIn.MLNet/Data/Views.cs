using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>A view that cannot shuffle, does not know its number of rows, and has one cursor, unless it says otherwise.</summary>
internal abstract class View : IDataView
{
    public virtual bool CanShuffle => false;
    public abstract DataViewSchema Schema { get; }
    public virtual long? GetRowCount() => null;
    public abstract DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> needed, Random rand = null);
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> needed, int n, Random rand = null) => [GetRowCursor(needed, rand)];
}

/// <summary>A cursor that numbers its rows from 0 itself.</summary>
internal abstract class CountingCursor(DataViewSchema schema, IEnumerable<DataViewSchema.Column> active) : DataViewRowCursor
{
    private readonly HashSet<int> _active = [.. active.Select(c => c.Index)];
    private bool _done;
    private long _position = -1;

    public sealed override long Position => _position;
    public override long Batch => 0;
    public sealed override DataViewSchema Schema => schema;
    public sealed override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);
    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)_position, 0);

    public sealed override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        Contracts.CheckParam(IsColumnActive(column), nameof(column), $"Column '{column.Name}' is not active.");
        return Getter<TValue>(column);
    }

    public sealed override bool MoveNext()
    {
        if (!_done && MoveCore())
        {
            _position++;
            return true;
        }
        Dispose();
        return false;
    }

    protected abstract bool MoveCore();
    protected abstract ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column);

    protected override void Dispose(bool disposing) => (_done, _position) = (true, -1);
}

/// <summary>The objects of an enumerable, as rows.</summary>
internal sealed class EnumerableView<TRow>(IEnumerable<TRow> data) : View where TRow : class
{
    private readonly ObjectSchema<TRow> _source = new();

    public override DataViewSchema Schema => _source.Schema;
    public override long? GetRowCount() => (data as ICollection<TRow>)?.Count;
    public override DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> needed, Random rand = null) =>
        new Cursor(_source, needed, data.GetEnumerator());

    private sealed class Cursor(ObjectSchema<TRow> source, IEnumerable<DataViewSchema.Column> columns, IEnumerator<TRow> rows)
        : CountingCursor(source.Schema, columns)
    {
        protected override bool MoveCore() => rows.MoveNext();
        protected override ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column) => source.Getter<TValue>(column, () => rows.Current);

        protected override void Dispose(bool disposing)
        {
            rows.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>The rows for which a predicate holds; it is made anew for every cursor.</summary>
internal sealed class FilteredView(IDataView source, Func<DataViewRow, Func<bool>> predicate) : View
{
    public override DataViewSchema Schema => source.Schema;
    public override DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> needed, Random rand = null) =>
        new Cursor(source.GetRowCursor(needed), needed, predicate);

    private sealed class Cursor(DataViewRowCursor input, IEnumerable<DataViewSchema.Column> columns, Func<DataViewRow, Func<bool>> predicate)
        : CountingCursor(input.Schema, columns)
    {
        private readonly Func<bool> _keep = predicate(input);

        public override long Batch => input.Batch;
        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();
        protected override ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column) => input.GetGetter<TValue>(column);

        protected override bool MoveCore()
        {
            while (input.MoveNext())
                if (_keep())
                    return true;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            input.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>Keeps in memory what it read of a view. Columns that cannot be copied, such as images, are left out, as in ML.NET.</summary>
internal sealed class CachedView : View
{
    private readonly Lazy<List<object[]>> _rows;

    public CachedView(IDataView source)
    {
        DataViewSchema.Column[] kept = [.. source.Schema.Where(c => c.Type is PrimitiveDataViewType or VectorDataViewType)];
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(kept);
        Schema = builder.ToSchema();
        _rows = new(() => Read(source, kept));
    }

    public override bool CanShuffle => true;
    public override DataViewSchema Schema { get; }
    public override long? GetRowCount() => _rows.Value.Count;

    public override DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> needed, Random rand = null)
    {
        int[] order = [.. Enumerable.Range(0, _rows.Value.Count)];
        rand?.Shuffle(order);
        return new Cursor(Schema, needed, _rows.Value, order);
    }

    private static List<object[]> Read(IDataView source, DataViewSchema.Column[] columns)
    {
        using DataViewRowCursor cursor = source.GetRowCursor(columns);
        Func<object>[] readers = [.. columns.Select(c => CellReader.Create(cursor, c, c.Type.RawType))];
        var rows = new List<object[]>();
        while (cursor.MoveNext())
            rows.Add([.. readers.Select(read => read())]);
        return rows;
    }

    private sealed class Cursor(DataViewSchema schema, IEnumerable<DataViewSchema.Column> columns, List<object[]> rows, int[] order)
        : CountingCursor(schema, columns)
    {
        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)order[Position], 0);
        protected override bool MoveCore() => Position + 1 < order.Length;

        protected override ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column)
        {
            Contracts.Check(typeof(TValue) == column.Type.RawType, $"Column '{column.Name}' is {column.Type}, not {typeof(TValue)}.");
            object Cell() => rows[order[Position]][column.Index];
            return (ref TValue value) => value = (TValue)(Cell() is ICopied shared ? shared.Copy() : Cell());
        }
    }
}

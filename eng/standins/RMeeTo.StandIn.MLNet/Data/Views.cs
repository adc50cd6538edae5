using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>A view whose rows are numbered from 0 by the cursor itself.</summary>
internal abstract class CountingCursor(DataViewSchema schema, IEnumerable<DataViewSchema.Column> active) : DataViewRowCursor
{
    private readonly HashSet<int> _active = [.. active.Select(c => c.Index)];
    private bool _done;
    private long _position = -1;

    public sealed override long Position => _position;
    public override long Batch => 0;
    public sealed override DataViewSchema Schema => schema;
    public sealed override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);
    protected abstract bool MoveCore();

    public sealed override bool MoveNext()
    {
        if (_done)
            return false;
        if (MoveCore())
        {
            _position++;
            return true;
        }
        Dispose();
        return false;
    }

    protected void CheckActive(DataViewSchema.Column column) =>
        Contracts.CheckParam(IsColumnActive(column), nameof(column), $"Column '{column.Name}' is not active.");

    protected void CheckRow() => Contracts.Check(_position >= 0, "The cursor is before the first row or behind the last.");

    protected override void Dispose(bool disposing)
    {
        _done = true;
        _position = -1;
    }
}

/// <summary>The objects of an enumerable, as rows.</summary>
internal sealed class EnumerableView<TRow>(IEnumerable<TRow> data, ObjectSchema<TRow> source) : IDataView where TRow : class
{
    public bool CanShuffle => false;
    public DataViewSchema Schema => source.Schema;
    public long? GetRowCount() => (data as ICollection<TRow>)?.Count;
    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) => new Cursor(this, columnsNeeded);
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];

    private IEnumerator<TRow> Rows() => data.GetEnumerator();

    private sealed class Cursor(EnumerableView<TRow> view, IEnumerable<DataViewSchema.Column> columns) : CountingCursor(view.Schema, columns)
    {
        private readonly IEnumerator<TRow> _rows = view.Rows();

        protected override bool MoveCore() => _rows.MoveNext();

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) =>
        {
            CheckRow();
            id = new DataViewRowId((ulong)Position, 0);
        };

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            CheckActive(column);
            return view.Getter<TValue>(column, () =>
            {
                CheckRow();
                return _rows.Current;
            });
        }

        protected override void Dispose(bool disposing)
        {
            _rows.Dispose();
            base.Dispose(disposing);
        }
    }

    private ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column, Func<TRow> current) => source.Getter<TValue>(column, current);
}

/// <summary>Some of the columns of a view, in a new order.</summary>
internal sealed class SelectedRow(DataViewRow input, DataViewSchema schema, int[] inputs, HashSet<int> active) : DataViewRow
{
    public override long Position => input.Position;
    public override long Batch => input.Batch;
    public override DataViewSchema Schema => schema;
    public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);
    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        Contracts.CheckParam(IsColumnActive(column), nameof(column), $"Column '{column.Name}' is not active.");
        return input.GetGetter<TValue>(input.Schema[inputs[column.Index]]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            input.Dispose();
    }
}

/// <inheritdoc cref="SelectedRow"/>
internal sealed class SelectedView : IDataView, IRowToRowMapper
{
    private readonly IDataView _source;
    private readonly int[] _inputs;

    public SelectedView(IDataView source, DataViewSchema inputSchema, IEnumerable<DataViewSchema.Column> columns)
    {
        DataViewSchema.Column[] kept = [.. columns];
        (_source, InputSchema, _inputs) = (source, inputSchema, [.. kept.Select(c => c.Index)]);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(kept);
        OutputSchema = builder.ToSchema();
    }

    public DataViewSchema InputSchema { get; }
    public DataViewSchema OutputSchema { get; }
    public DataViewSchema Schema => OutputSchema;
    public bool CanShuffle => _source.CanShuffle;
    public long? GetRowCount() => _source.GetRowCount();

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        [.. dependingColumns.Select(c => InputSchema[_inputs[c.Index]])];

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        Contracts.CheckParam(input.Schema == InputSchema, nameof(input), "The row has another schema than the mapper.");
        return new SelectedRow(input, OutputSchema, _inputs, [.. activeColumns.Select(c => c.Index)]);
    }

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null)
    {
        DataViewSchema.Column[] needed = [.. columnsNeeded];
        DataViewRowCursor cursor = _source.GetRowCursor(GetDependencies(needed), rand);
        return new RowCursor(GetRow(cursor, needed), cursor.MoveNext);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];
}

/// <summary>The rows for which a predicate holds; it is made anew for every cursor and may look at columns of its own.</summary>
internal sealed class FilteredView(IDataView source, Func<DataViewRow, Func<bool>> predicate, bool canShuffle, DataViewSchema.Column[] looksAt = null) : IDataView
{
    public bool CanShuffle => canShuffle && source.CanShuffle;
    public DataViewSchema Schema => source.Schema;
    public long? GetRowCount() => null;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        new Cursor(source.GetRowCursor([.. columnsNeeded, .. looksAt ?? []], CanShuffle ? rand : null), columnsNeeded, predicate);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(DataViewRowCursor input, IEnumerable<DataViewSchema.Column> columns, Func<DataViewRow, Func<bool>> predicate)
        : CountingCursor(input.Schema, columns)
    {
        private readonly Func<bool> _keep = predicate(input);

        public override long Batch => input.Batch;
        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            CheckActive(column);
            return input.GetGetter<TValue>(column);
        }

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

using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>Keeps in memory what was read of a view. Columns that cannot be copied, such as images, are left out, as in ML.NET.</summary>
internal sealed class CachedView : IDataView
{
    private readonly IDataView _source;
    private readonly Store[] _stores;
    private readonly int? _shuffleSeed;
    private readonly Lock _lock = new();
    private long? _count;

    /// <param name="shuffleSeed">Where given, every cursor shuffles, with or without a generator of its own.</param>
    public CachedView(IDataView source, int? shuffleSeed = null)
    {
        _source = new SelectedView(source, source.Schema, source.Schema.Where(c => c.Type is PrimitiveDataViewType or VectorDataViewType));
        Contracts.Check(_source.Schema.Count > 0, "No column of this view can be cached.");
        _stores = new Store[_source.Schema.Count];
        _shuffleSeed = shuffleSeed;
    }

    public bool CanShuffle => true;
    public DataViewSchema Schema => _source.Schema;
    public long? GetRowCount() => _count ?? _source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null)
    {
        DataViewSchema.Column[] needed = [.. columnsNeeded];
        Read(needed);
        int[] order = [.. Enumerable.Range(0, (int)_count.Value)];
        rand ??= _shuffleSeed is { } seed ? new Random(seed) : null;
        rand?.Shuffle(order);
        return new Cursor(this, needed, order);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];

    private void Read(DataViewSchema.Column[] needed)
    {
        lock (_lock)
        {
            DataViewSchema.Column[] missing = [.. needed.Where(c => _stores[c.Index] is null).DistinctBy(c => c.Index)];
            if (missing is [] && _count is not null)
                return;
            using DataViewRowCursor cursor = _source.GetRowCursor(missing);
            foreach (DataViewSchema.Column column in missing)
                _stores[column.Index] = column.Type is VectorDataViewType vector
                    ? (Store)Activator.CreateInstance(typeof(VectorStore<>).MakeGenericType(vector.ItemType.RawType), cursor, column)
                    : (Store)Activator.CreateInstance(typeof(ScalarStore<>).MakeGenericType(column.Type.RawType), cursor, column);
            long count = 0;
            for (; cursor.MoveNext(); count++)
                foreach (DataViewSchema.Column column in missing)
                    _stores[column.Index].Keep();
            _count = count;
        }
    }

    private abstract class Store
    {
        public abstract void Keep();
        public abstract Delegate Getter(Func<int> row);
    }

    private sealed class ScalarStore<T>(DataViewRow row, DataViewSchema.Column column) : Store
    {
        private readonly ValueGetter<T> _getter = row.GetGetter<T>(column);
        private readonly List<T> _values = [];

        public override void Keep()
        {
            T value = default;
            _getter(ref value);
            // Text may lie in a buffer that the source uses again.
            _values.Add(value is ReadOnlyMemory<char> text ? (T)(object)text.ToString().AsMemory() : value);
        }

        public override Delegate Getter(Func<int> row) => (ValueGetter<T>)((ref T value) => value = _values[row()]);
    }

    private sealed class VectorStore<T>(DataViewRow row, DataViewSchema.Column column) : Store
    {
        private readonly ValueGetter<VBuffer<T>> _getter = row.GetGetter<VBuffer<T>>(column);
        private readonly List<VBuffer<T>> _values = [];

        public override void Keep()
        {
            VBuffer<T> value = default;
            _getter(ref value);
            _values.Add(value);
        }

        public override Delegate Getter(Func<int> row) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[row()].CopyTo(ref value));
    }

    private sealed class Cursor(CachedView view, DataViewSchema.Column[] columns, int[] order) : CountingCursor(view.Schema, columns)
    {
        protected override bool MoveCore() => Position + 1 < order.Length;

        private int Row()
        {
            CheckRow();
            return order[Position];
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)Row(), 0);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            CheckActive(column);
            return view._stores[column.Index].Getter(Row) as ValueGetter<TValue>
                ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type}, not {typeof(TValue)}.");
        }
    }
}

using Microsoft.ML.Data;

namespace Microsoft.ML
{
    public delegate void ValueGetter<TValue>(ref TValue value);

    public interface IDataView
    {
        bool CanShuffle { get; }
        DataViewSchema Schema { get; }
        long? GetRowCount();
        DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null);
        DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null);
    }

    public abstract class DataViewRow : IDisposable
    {
        public abstract long Position { get; }
        public abstract long Batch { get; }
        public abstract DataViewSchema Schema { get; }
        public abstract ValueGetter<DataViewRowId> GetIdGetter();
        public abstract bool IsColumnActive(DataViewSchema.Column column);
        public abstract ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column);

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing) { }
    }

    public abstract class DataViewRowCursor : DataViewRow
    {
        public abstract bool MoveNext();
    }
}

namespace Microsoft.ML.Data
{
    public readonly struct DataViewRowId(ulong low, ulong high) : IComparable<DataViewRowId>, IEquatable<DataViewRowId>
    {
        public readonly ulong Low = low;
        public readonly ulong High = high;

        public int CompareTo(DataViewRowId other) => High != other.High ? High.CompareTo(other.High) : Low.CompareTo(other.Low);
        public bool Equals(DataViewRowId other) => Low == other.Low && High == other.High;
        public override bool Equals(object other) => other is DataViewRowId id && Equals(id);
        public override int GetHashCode() => HashCode.Combine(Low, High);
        public override string ToString() => $"{High:x16}{Low:x16}";
    }

    public interface IRowToRowMapper
    {
        DataViewSchema InputSchema { get; }
        DataViewSchema OutputSchema { get; }
        IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns);
        DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns);
    }

    public static class ColumnCursorExtensions
    {
        public static IEnumerable<T> GetColumn<T>(this IDataView data, string columnName) => data.GetColumn<T>(data.Schema[columnName]);

        public static IEnumerable<T> GetColumn<T>(this IDataView data, DataViewSchema.Column column)
        {
            ArgumentNullException.ThrowIfNull(data);
            if (data.Schema[column.Index].Name != column.Name || data.Schema[column.Index].Type != column.Type)
                throw new ArgumentOutOfRangeException(nameof(column), $"'{column}' is no column of this data.");
            if (!CellReader.CanRead(column.Type, typeof(T)))
                throw new ArgumentOutOfRangeException(nameof(column), $"'{column}' cannot be read as {typeof(T)}.");
            return Read<T>(data, column);
        }

        private static IEnumerable<T> Read<T>(IDataView data, DataViewSchema.Column column)
        {
            using DataViewRowCursor cursor = data.GetRowCursor([column]);
            Func<object> read = CellReader.Create(cursor, column, typeof(T));
            while (cursor.MoveNext())
                yield return (T)read();
        }
    }

    public static class SchemaAnnotationsExtensions
    {
        public static void GetSlotNames(this DataViewSchema.Column column, ref VBuffer<ReadOnlyMemory<char>> slotNames) =>
            column.Annotations.GetValue("SlotNames", ref slotNames);

        public static void GetKeyValues<TValue>(this DataViewSchema.Column column, ref VBuffer<TValue> keyValues) =>
            column.Annotations.GetValue("KeyValues", ref keyValues);

        public static bool HasSlotNames(this DataViewSchema.Column column) =>
            column.Type is VectorDataViewType { IsKnownSize: true } vector
            && column.Annotations.Schema.GetColumnOrNull("SlotNames")?.Type is VectorDataViewType names
            && names.Size == vector.Size && names.ItemType is TextDataViewType;

        public static bool HasKeyValues(this DataViewSchema.Column column, PrimitiveDataViewType keyValueItemType = null)
        {
            DataViewType item = column.Type is VectorDataViewType vector ? vector.ItemType : column.Type;
            return item is KeyDataViewType key
                && column.Annotations.Schema.GetColumnOrNull("KeyValues")?.Type is VectorDataViewType values
                && (ulong)values.Size == key.Count && (keyValueItemType ?? TextDataViewType.Instance).Equals(values.ItemType);
        }
    }
}

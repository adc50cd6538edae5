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
    public readonly record struct DataViewRowId(ulong Low, ulong High);

    public interface IRowToRowMapper
    {
        DataViewSchema InputSchema { get; }
        DataViewSchema OutputSchema { get; }
        IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns);
        DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns);
    }

    public static class ColumnCursorExtensions
    {
        public static IEnumerable<T> GetColumn<T>(this IDataView data, string columnName)
        {
            DataViewSchema.Column column = data.Schema[columnName];
            if (!CellReader.CanRead(column.Type, typeof(T)))
                throw new ArgumentOutOfRangeException(nameof(columnName), $"'{column}' cannot be read as {typeof(T)}.");
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
        public static void GetKeyValues<TValue>(this DataViewSchema.Column column, ref VBuffer<TValue> keyValues) =>
            column.Annotations.GetValue("KeyValues", ref keyValues);
    }
}

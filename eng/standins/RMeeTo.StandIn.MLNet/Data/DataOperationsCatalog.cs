using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class DataOperationsCatalog
{
    internal DataOperationsCatalog() { }

    public IDataView LoadFromEnumerable<TRow>(IEnumerable<TRow> data) where TRow : class => new EnumerableView<TRow>(data);

    public IEnumerable<TRow> CreateEnumerable<TRow>(IDataView data, bool reuseRowObject, bool ignoreMissingColumns = false) where TRow : class, new()
    {
        var filler = new ObjectFiller<TRow>(data.Schema, ignoreMissingColumns);
        return Rows(data, reuseRowObject, filler);
    }

    private static IEnumerable<TRow> Rows<TRow>(IDataView data, bool reuse, ObjectFiller<TRow> filler) where TRow : class, new()
    {
        using DataViewRowCursor cursor = data.GetRowCursor(filler.Columns);
        Action<TRow> fill = filler.Bind(cursor);
        TRow row = null;
        while (cursor.MoveNext())
        {
            row = reuse && row is not null ? row : new TRow();
            fill(row);
            yield return row;
        }
    }

    public IDataView Cache(IDataView input) => new CachedView(input);

    public IDataView TakeRows(IDataView input, long count) => new FilteredView(input, row => () => row.Position < count);

    /// <summary>The rows of one fold of several, or all others; by their ids, so that it does not matter in which order they are read.</summary>
    internal static IDataView Fold(IDataView data, int fold, int folds, bool others, int seed) => new FilteredView(data, row =>
    {
        ValueGetter<DataViewRowId> getter = row.GetIdGetter();
        return () =>
        {
            DataViewRowId id = default;
            getter(ref id);
            return Mix(id.Low + (ulong)(uint)seed * 0x9E3779B97F4A7C15) % (ulong)folds == (ulong)fold != others;
        };
    });

    /// <summary>A hash that spreads neighbours (SplitMix64).</summary>
    private static ulong Mix(ulong z)
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

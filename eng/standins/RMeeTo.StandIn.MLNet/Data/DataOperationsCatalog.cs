using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class DataOperationsCatalog : IInternalCatalog
{
    private readonly IHostEnvironmentInternal _env;

    internal DataOperationsCatalog(IHostEnvironmentInternal env) => _env = env;

    IHostEnvironment IInternalCatalog.Environment => _env;

    public struct TrainTestData
    {
        public readonly IDataView TrainSet;
        public readonly IDataView TestSet;
        internal TrainTestData(IDataView trainSet, IDataView testSet) => (TrainSet, TestSet) = (trainSet, testSet);
    }

    public IDataView LoadFromEnumerable<TRow>(IEnumerable<TRow> data, SchemaDefinition schemaDefinition = null) where TRow : class
    {
        Contracts.CheckValue(data, nameof(data));
        return new EnumerableView<TRow>(data, new ObjectSchema<TRow>(schemaDefinition));
    }

    public IEnumerable<TRow> CreateEnumerable<TRow>(IDataView data, bool reuseRowObject, bool ignoreMissingColumns = false,
        SchemaDefinition schemaDefinition = null) where TRow : class, new()
    {
        Contracts.CheckValue(data, nameof(data));
        return Rows(data, reuseRowObject, new ObjectFiller<TRow>(data.Schema, ignoreMissingColumns, schemaDefinition));
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

    public IDataView Cache(IDataView input, params string[] columnsToPrefetch)
    {
        Contracts.CheckValue(input, nameof(input));
        foreach (string name in columnsToPrefetch ?? [])
            if (input.Schema.GetColumnOrNull(name) is null)
                throw Contracts.SchemaMismatch(nameof(columnsToPrefetch), "prefetch", name);
        return new CachedView(input);
    }

    public IDataView ShuffleRows(IDataView input, int? seed = null, int shufflePoolSize = 1000, bool shuffleSource = true)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(shufflePoolSize > 0, nameof(shufflePoolSize), "Must be positive.");
        return new CachedView(input, seed ?? Random.Shared.Next());
    }

    public IDataView TakeRows(IDataView input, long count) => Window(input, 0, count, count);
    public IDataView SkipRows(IDataView input, long count) => Window(input, count, long.MaxValue, count);

    private static FilteredView Window(IDataView input, long from, long to, long count)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(count > 0, nameof(count), "Must be greater than zero.");
        return new FilteredView(input, row => () => row.Position >= from && row.Position < to, canShuffle: false);
    }

    public IDataView FilterRowsByColumn(IDataView input, string columnName, double lowerBound = double.NegativeInfinity, double upperBound = double.PositiveInfinity)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(lowerBound < upperBound, nameof(upperBound), "Must be above the lower bound.");
        DataViewSchema.Column column = input.Schema[columnName];
        if (column.Type is not NumberDataViewType)
            throw Contracts.SchemaMismatch(nameof(columnName), "filter", columnName, "a number", column.Type.ToString());
        return new FilteredView(input, row =>
        {
            Func<object> read = CellReader.Create(row, column, column.Type.RawType);
            return () => Convert.ToDouble(read()) is var value && value >= lowerBound && value < upperBound;
        }, canShuffle: true, [column]);
    }

    public TrainTestData TrainTestSplit(IDataView data, double testFraction = 0.1, string samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckParam(0 < testFraction && testFraction < 1, nameof(testFraction), "Must be above 0 and below 1.");
        return Split(data, 0, testFraction, samplingKeyColumnName, SplitSeed(seed));
    }

    public IReadOnlyList<TrainTestData> CrossValidationSplit(IDataView data, int numberOfFolds = 5, string samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckParam(numberOfFolds > 1, nameof(numberOfFolds), "Must be more than 1.");
        int splitSeed = SplitSeed(seed);
        return [.. Enumerable.Range(0, numberOfFolds).Select(fold =>
            Split(data, (double)fold / numberOfFolds, (double)(fold + 1) / numberOfFolds, samplingKeyColumnName, splitSeed))];
    }

    private int SplitSeed(int? seed) => seed ?? _env.Seed ?? Random.Shared.Next();

    private static TrainTestData Split(IDataView data, double from, double to, string keyColumn, int seed)
    {
        DataViewSchema.Column[] key = keyColumn is null ? []
            : [data.Schema.GetColumnOrNull(keyColumn) ?? throw Contracts.SchemaMismatch("samplingKeyColumnName", "sampling key", keyColumn)];
        FilteredView Part(bool test) => new(data, row =>
        {
            Func<ulong> source = key is [] ? RowId(row) : Key(row, key[0]);
            return () => Fraction(source(), seed) is var f && (f >= from && f < to) == test;
        }, canShuffle: true, key);
        return new TrainTestData(Part(test: false), Part(test: true));
    }

    private static Func<ulong> RowId(DataViewRow row)
    {
        ValueGetter<DataViewRowId> getter = row.GetIdGetter();
        return () =>
        {
            DataViewRowId id = default;
            getter(ref id);
            return id.Low * 31 + id.High;
        };
    }

    /// <summary>Rows with the same key fall on the same side.</summary>
    private static Func<ulong> Key(DataViewRow row, DataViewSchema.Column column)
    {
        Func<object> read = CellReader.Create(row, column, column.Type is TextDataViewType ? typeof(string) : column.Type.RawType);
        return () => read().ToString().Aggregate(14695981039346656037, (hash, c) => (hash ^ c) * 1099511628211);
    }

    private static double Fraction(ulong value, int seed)
    {
        ulong z = value + ((ulong)(uint)seed + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}

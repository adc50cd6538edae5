using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>What a transformer adds to a row of one schema.</summary>
/// <param name="Columns">The new columns; they follow those of the input.</param>
/// <param name="Inputs">Per new column the index of the one input column that it is made from.</param>
/// <param name="Getter">Makes the getter of new column i over a row.</param>
internal sealed record RowMapping(DataViewSchema.DetachedColumn[] Columns, int[] Inputs, Func<int, DataViewRow, Delegate> Getter);

/// <summary>A transformer of the stand-in's own that computes new columns row by row.</summary>
public abstract class RowToRowTransformerBase : ITransformer
{
    private protected RowToRowTransformerBase() { }

    bool ITransformer.IsRowToRowMapper => true;
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => new RowMapper(inputSchema, Map(inputSchema)).OutputSchema;
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => new RowMapper(inputSchema, Map(inputSchema));

    public IDataView Transform(IDataView input)
    {
        Contracts.CheckValue(input, nameof(input));
        return new MappedView(input, new RowMapper(input.Schema, Map(input.Schema)));
    }

    void ICanSaveModel.Save(ModelSaveContext ctx) => Save(ctx);

    private protected abstract RowMapping Map(DataViewSchema schema);
    private protected abstract void Save(ModelSaveContext ctx);

    private protected static DataViewSchema.Column Find(DataViewSchema schema, string name) =>
        schema.GetColumnOrNull(name) ?? throw Contracts.SchemaMismatch("inputSchema", "input", name);
}

internal sealed class RowMapper : IRowToRowMapper
{
    private readonly RowMapping _mapping;

    public RowMapper(DataViewSchema inputSchema, RowMapping mapping)
    {
        (InputSchema, _mapping) = (inputSchema, mapping);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        builder.AddColumns(mapping.Columns);
        OutputSchema = builder.ToSchema();
    }

    public DataViewSchema InputSchema { get; }
    public DataViewSchema OutputSchema { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        int count = InputSchema.Count;
        return [.. dependingColumns.Select(c => c.Index < count ? c.Index : _mapping.Inputs[c.Index - count]).Distinct().Order().Select(i => InputSchema[i])];
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        Contracts.CheckValue(input, nameof(input));
        Contracts.CheckParam(input.Schema == InputSchema, nameof(input), "The row has another schema than the mapper.");
        return new MappedRow(this, input, [.. activeColumns.Select(c => c.Index)]);
    }

    public ValueGetter<T> Getter<T>(DataViewRow input, DataViewSchema.Column column) => column.Index < InputSchema.Count
        ? input.GetGetter<T>(InputSchema[column.Index])
        : _mapping.Getter(column.Index - InputSchema.Count, input) as ValueGetter<T>
            ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type}, not {typeof(T)}.");
}

internal sealed class MappedRow(RowMapper mapper, DataViewRow input, HashSet<int> active) : DataViewRow
{
    public override long Position => input.Position;
    public override long Batch => input.Batch;
    public override DataViewSchema Schema => mapper.OutputSchema;
    public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);
    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        Contracts.CheckParam(IsColumnActive(column), nameof(column), $"Column '{column.Name}' is not active.");
        return mapper.Getter<TValue>(input, column);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            input.Dispose();
    }
}

internal sealed class MappedView(IDataView source, RowMapper mapper) : IDataView
{
    public bool CanShuffle => source.CanShuffle;
    public DataViewSchema Schema => mapper.OutputSchema;
    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null)
    {
        DataViewSchema.Column[] needed = [.. columnsNeeded];
        DataViewRowCursor cursor = source.GetRowCursor(mapper.GetDependencies(needed), rand);
        return new RowCursor(mapper.GetRow(cursor, needed), cursor.MoveNext);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];
}

/// <summary>A row that looks at a moving source, with the way to move it.</summary>
internal sealed class RowCursor(DataViewRow row, Func<bool> moveNext) : DataViewRowCursor
{
    public override long Position => row.Position;
    public override long Batch => row.Batch;
    public override DataViewSchema Schema => row.Schema;
    public override bool IsColumnActive(DataViewSchema.Column column) => row.IsColumnActive(column);
    public override ValueGetter<DataViewRowId> GetIdGetter() => row.GetIdGetter();
    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => row.GetGetter<TValue>(column);
    public override bool MoveNext() => moveNext();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            row.Dispose();
    }
}

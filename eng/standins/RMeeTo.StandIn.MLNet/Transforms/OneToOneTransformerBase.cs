using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>A transformer of the stand-in's own: it computes, row by row, one new column from one of the input.</summary>
public abstract class OneToOneTransformerBase : ITransformer
{
    private readonly VersionInfo _version;

    private protected OneToOneTransformerBase(string loader, string target, string source) =>
        (_version, Target, Source) = (VersionOf(loader), target, source ?? target);

    private protected OneToOneTransformerBase(string loader, ModelLoadContext ctx)
    {
        _version = VersionOf(loader);
        ctx.CheckAtModel(_version);
        (Target, Source) = (ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString());
    }

    internal string Target { get; }
    internal string Source { get; }

    bool ITransformer.IsRowToRowMapper => true;
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => new OneToOneMapper(this, inputSchema).OutputSchema;
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => new OneToOneMapper(this, inputSchema);
    public IDataView Transform(IDataView input) => new MappedView(input, new OneToOneMapper(this, input.Schema));

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(_version);
        ctx.SaveNonEmptyString(Target);
        ctx.SaveNonEmptyString(Source);
        SaveMore(ctx);
    }

    /// <summary>The new column before anything is fitted, the new column, and its getter over a row.</summary>
    internal abstract SchemaShape.Column Shape(SchemaShape.Column source);
    internal abstract DataViewSchema.DetachedColumn Output(DataViewSchema.Column source);
    internal abstract Delegate Getter(DataViewRow row, DataViewSchema.Column source);
    private protected virtual void SaveMore(ModelSaveContext ctx) { }

    private static VersionInfo VersionOf(string loader) => new("STANDIN ", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", loader);
}

internal sealed class OneToOneMapper : IRowToRowMapper
{
    private readonly OneToOneTransformerBase _transformer;
    private readonly DataViewSchema.Column _source;

    public OneToOneMapper(OneToOneTransformerBase transformer, DataViewSchema inputSchema)
    {
        (_transformer, InputSchema) = (transformer, inputSchema);
        _source = inputSchema.GetColumnOrNull(transformer.Source) ?? throw Contracts.NotFound(transformer.Source);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        builder.AddColumns([transformer.Output(_source)]);
        OutputSchema = builder.ToSchema();
    }

    public DataViewSchema InputSchema { get; }
    public DataViewSchema OutputSchema { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        [.. dependingColumns.Select(c => c.Index < InputSchema.Count ? InputSchema[c.Index] : _source).DistinctBy(c => c.Index)];

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        Contracts.CheckParam(input.Schema == InputSchema, nameof(input), "The row has another schema than the mapper.");
        return new Row(this, input, [.. activeColumns.Select(c => c.Index)]);
    }

    private sealed class Row(OneToOneMapper mapper, DataViewRow input, HashSet<int> active) : DataViewRow
    {
        public override long Position => input.Position;
        public override long Batch => input.Batch;
        public override DataViewSchema Schema => mapper.OutputSchema;
        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);
        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            Contracts.CheckParam(IsColumnActive(column), nameof(column), $"Column '{column.Name}' is not active.");
            return column.Index < mapper.InputSchema.Count
                ? input.GetGetter<TValue>(mapper.InputSchema[column.Index])
                : Contracts.Cast<TValue>(mapper._transformer.Getter(input, mapper._source), column);
        }

        protected override void Dispose(bool disposing) => input.Dispose();
    }
}

internal sealed class MappedView(IDataView source, OneToOneMapper mapper) : View
{
    public override bool CanShuffle => source.CanShuffle;
    public override DataViewSchema Schema => mapper.OutputSchema;
    public override long? GetRowCount() => source.GetRowCount();

    public override DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> needed, Random rand = null)
    {
        DataViewRowCursor cursor = source.GetRowCursor(mapper.GetDependencies(needed), rand);
        return new Cursor(mapper.GetRow(cursor, needed), cursor.MoveNext);
    }

    /// <summary>A row that looks at a moving source, with the way to move it.</summary>
    private sealed class Cursor(DataViewRow row, Func<bool> moveNext) : DataViewRowCursor
    {
        public override long Position => row.Position;
        public override long Batch => row.Batch;
        public override DataViewSchema Schema => row.Schema;
        public override bool IsColumnActive(DataViewSchema.Column column) => row.IsColumnActive(column);
        public override ValueGetter<DataViewRowId> GetIdGetter() => row.GetIdGetter();
        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => row.GetGetter<TValue>(column);
        public override bool MoveNext() => moveNext();
        protected override void Dispose(bool disposing) => row.Dispose();
    }
}

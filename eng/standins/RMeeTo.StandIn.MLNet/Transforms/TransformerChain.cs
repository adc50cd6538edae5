using System.Collections;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(typeof(TransformerChain<ITransformer>), typeof(TransformerChainLoader), null, typeof(SignatureLoadModel),
    "Transformer chain", TransformerChainLoader.Loader)]

namespace Microsoft.ML.Data;

public sealed class TransformerChain<TLastTransformer> : ITransformer, IEnumerable<ITransformer>, IDisposable where TLastTransformer : class, ITransformer
{
    private readonly ITransformer[] _transformers;
    private bool _disposed;

    public readonly TLastTransformer LastTransformer;

    public TransformerChain(params ITransformer[] transformers) =>
        (_transformers, LastTransformer) = (transformers, transformers.LastOrDefault() as TLastTransformer);

    bool ITransformer.IsRowToRowMapper => _transformers.All(t => t.IsRowToRowMapper);
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => _transformers.Aggregate(inputSchema, (schema, t) => t.GetOutputSchema(schema));
    public IEnumerator<ITransformer> GetEnumerator() => ((IEnumerable<ITransformer>)_transformers).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public IDataView Transform(IDataView input)
    {
        GetOutputSchema(input.Schema);
        return _transformers.Aggregate(input, (view, t) => t.Transform(view));
    }

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema)
    {
        var mappers = new List<IRowToRowMapper>();
        foreach (ITransformer transformer in _transformers)
            mappers.Add(transformer.GetRowToRowMapper(mappers is [] ? inputSchema : mappers[^1].OutputSchema));
        return new ChainedMapper(inputSchema, mappers);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(TransformerChainLoader.Version);
        ctx.Writer.Write(_transformers.Length);
        for (int i = 0; i < _transformers.Length; i++)
        {
            ctx.Writer.Write(TransformerChainLoader.ScopeEverything);
            ctx.SaveModel(_transformers[i], $"Transform_{i:000}");
        }
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (ITransformer transformer in _transformers)
            (transformer as IDisposable)?.Dispose();
    }
}

internal static class TransformerChainLoader
{
    public const string Loader = "TransformerChain";
    public const int ScopeEverything = 7;

    public static VersionInfo Version { get; } = new("XF CHAIN", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", Loader);

    private static TransformerChain<ITransformer> Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(Version);
        var transformers = new ITransformer[ctx.Reader.ReadInt32()];
        for (int i = 0; i < transformers.Length; i++)
        {
            ctx.Reader.ReadInt32(); // the scope
            transformers[i] = ctx.LoadModel(env, $"Transform_{i:000}");
        }
        return new TransformerChain<ITransformer>(transformers);
    }
}

/// <summary>The mappers of a chain, one on top of the other; each is asked only for what the next one needs.</summary>
internal sealed class ChainedMapper(DataViewSchema inputSchema, List<IRowToRowMapper> mappers) : IRowToRowMapper
{
    public DataViewSchema InputSchema => inputSchema;
    public DataViewSchema OutputSchema => mappers is [] ? inputSchema : mappers[^1].OutputSchema;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) => Needed(dependingColumns).Last();

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        mappers.Zip(Needed(activeColumns).SkipLast(1).Reverse()).Aggregate(input, (row, next) => next.First.GetRow(row, next.Second));

    /// <summary>What is asked of each mapper, from the last to the first, and then of the input.</summary>
    private List<IEnumerable<DataViewSchema.Column>> Needed(IEnumerable<DataViewSchema.Column> columns)
    {
        List<IEnumerable<DataViewSchema.Column>> needed = [[.. columns]];
        foreach (IRowToRowMapper mapper in Enumerable.Reverse(mappers))
            needed.Add([.. mapper.GetDependencies(needed[^1])]);
        return needed;
    }
}

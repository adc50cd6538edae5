using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class PredictionEngineOptions
{
    public bool IgnoreMissingColumns = true;
    public bool OwnsTransformer = true;
}

public sealed class PredictionEngine<TSrc, TDst> : IDisposable where TSrc : class where TDst : class, new()
{
    private readonly ObjectRow<TSrc> _input = new(new ObjectSchema<TSrc>());
    private readonly Action<TDst> _fill;
    private IDisposable _owned;

    internal PredictionEngine(ITransformer transformer, PredictionEngineOptions options)
    {
        Contracts.CheckParam(transformer.IsRowToRowMapper, nameof(transformer), "Must be a row to row mapper.");
        _owned = options.OwnsTransformer ? transformer as IDisposable : null;
        IRowToRowMapper mapper = transformer.GetRowToRowMapper(_input.Schema);
        OutputSchema = mapper.OutputSchema;
        _fill = new ObjectFiller<TDst>(OutputSchema, options.IgnoreMissingColumns).Bind(mapper.GetRow(_input, OutputSchema));
    }

    public DataViewSchema OutputSchema { get; }

    public TDst Predict(TSrc example)
    {
        var result = new TDst();
        Predict(example, ref result);
        return result;
    }

    public void Predict(TSrc example, ref TDst prediction)
    {
        _input.Put(example);
        _fill(prediction ??= new TDst());
    }

    /// <summary>Disposes of the row put in, never of the mapper's row: as ML.NET does.</summary>
    public void Dispose()
    {
        _input.Dispose();
        _owned?.Dispose();
        _owned = null;
    }
}

using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Row by row, as prediction engines work.</summary>
internal sealed class RowMapper(VimMergedClassifierTransformer transformer, StageSchema schema) : IRowToRowMapper
{
    public DataViewSchema InputSchema => schema.Input;

    public DataViewSchema OutputSchema => schema.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        schema.Dependencies(schema.Active(dependingColumns));

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.Schema != schema.Input)
            throw new ArgumentException("The row has another schema than this mapper was made for; make a mapper with the row's own schema.", nameof(input));
        return new ScoringRow(transformer, schema, schema.Active(activeColumns), input);
    }
}

/// <summary>
/// A row with the columns added; classifies its image when one of them is first asked for, once per position. It holds nothing that needs disposing: prediction
/// engines dispose the input row only.
/// </summary>
internal sealed class ScoringRow : DataViewRow, IScoredRow
{
    private const long NoPosition = -2;

    private readonly VimMergedClassifierTransformer _transformer;
    private readonly StageSchema _schema;
    private readonly bool[] _active;
    private readonly DataViewRow _input;
    private readonly SampleReader? _reader;
    private readonly SampleInput[] _sample = [new()];
    private readonly float[] _probabilities;
    private readonly float[]? _features;
    private long _scored = NoPosition;

    public ScoringRow(VimMergedClassifierTransformer transformer, StageSchema schema, bool[] active, DataViewRow input)
    {
        (_transformer, _schema, _active, _input) = (transformer, schema, active, input);
        _probabilities = new float[transformer.Model.Config.Classes];
        if (schema.NeedsFeatures(active)) _features = new float[transformer.Model.Config.Width];
        if (schema.NeedsScores(active)) _reader = SampleReader.Create(input, schema.Sample);
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    ReadOnlySpan<float> IScoredRow.Probabilities
    {
        get
        {
            Score();
            return _probabilities;
        }
    }

    ReadOnlySpan<float> IScoredRow.Features
    {
        get
        {
            Score();
            return _features;
        }
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        StageSchema.CheckActive(_active, column);
        if (column.Index < _schema.Input.Count) return _input.GetGetter<TValue>(_schema.Input[column.Index]);
        return StageSchema.Cast<TValue>(_schema.OutputGetter(column.Index, this), _schema.Output[column.Index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _input.Dispose();
        base.Dispose(disposing);
    }

    private void Score()
    {
        if (_scored == _input.Position) return;
        _scored = NoPosition; // a failure must not leave the scores of the row before
        _reader!.Read(_sample[0], _input.Position);
        using var lease = _transformer.Acquire();
        lease.Score(_sample, 1, _probabilities, _features);
        _scored = _input.Position;
    }
}

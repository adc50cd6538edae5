using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace RMeeTo.MLNet;

/// <summary>
/// A view with the columns added, lazily: images are read and classified by its cursors, a batch at a time, and only where someone asks for one of them.
/// </summary>
internal sealed class ScoredView(IHostEnvironment environment, VimMergedClassifierTransformer transformer, IDataView source, StageSchema schema) : IDataView
{
    public DataViewSchema Schema => schema.Output;

    public bool CanShuffle => source.CanShuffle;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        ArgumentNullException.ThrowIfNull(columnsNeeded);
        bool[] active = schema.Active(columnsNeeded);
        bool scores = schema.NeedsScores(active);
        var lease = scores ? transformer.Acquire() : null;
        DataViewRowCursor? input = null;
        try
        {
            input = source.GetRowCursor(schema.Dependencies(active), rand);
            return lease is null ? new PassingCursor(schema, active, input) : new ScoringCursor(environment, schema, active, input, lease);
        }
        catch
        {
            input?.Dispose();
            lease?.Dispose();
            throw;
        }
    }

    /// <summary>One cursor, whatever is asked for: it keeps all threads at work by itself, and several would only compete.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}

/// <summary>A cursor for callers who need nothing of the network: every column straight from the source.</summary>
internal sealed class PassingCursor(StageSchema schema, bool[] active, DataViewRowCursor input) : DataViewRowCursor
{
    private bool _disposed;

    public override DataViewSchema Schema => schema.Output;

    public override long Position => _disposed ? -1 : input.Position;

    public override long Batch => input.Batch;

    public override bool IsColumnActive(DataViewSchema.Column column) => active[column.Index];

    public override bool MoveNext() => !_disposed && input.MoveNext();

    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        StageSchema.CheckActive(active, column);
        return input.GetGetter<TValue>(schema.Input[column.Index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            input.Dispose();
        }
        base.Dispose(disposing);
    }
}

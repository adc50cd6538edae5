using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace RMeeTo.MLNet;

/// <summary>
/// Reads ahead a batch of rows from a single source cursor, classifies their images together, and hands the rows out one by one. Whatever a row holds is copied
/// when it is read, for it is gone once the source moves on.
/// </summary>
internal sealed class ScoringCursor : DataViewRowCursor, IScoredRow
{
    private readonly IHostEnvironment _environment;
    private readonly StageSchema _schema;
    private readonly bool[] _active;
    private readonly DataViewRowCursor _input;
    private readonly ScoringEngine.Lease _lease;
    private readonly BatchSizes _sizes;
    private readonly SampleReader _reader;
    private readonly List<SampleInput> _samples = [];
    private readonly ColumnBuffer?[] _columns;
    private readonly ValueGetter<DataViewRowId> _inputId;
    private readonly int _classes;
    private readonly int _width;
    private long[] _batches = [];
    private DataViewRowId[] _ids = [];
    private float[] _probabilities = [];
    private float[]? _features;
    private int _count;
    private int _index = -1;
    private long _position = -1;
    private long _unreadable;
    private string _firstUnreadable = "";
    private bool _done;

    public ScoringCursor(IHostEnvironment environment, StageSchema schema, bool[] active, DataViewRowCursor input, ScoringEngine.Lease lease)
    {
        var config = lease.Model.Config;
        (_classes, _width) = (config.Classes, schema.NeedsFeatures(active) ? config.Width : 0);
        (_environment, _schema, _active, _input, _lease) = (environment, schema, active, input, lease);
        _sizes = new BatchSizes(lease.Options, config, lease.Device);
        _reader = SampleReader.Create(input, schema.Sample);
        _inputId = input.GetIdGetter();
        _columns = new ColumnBuffer?[schema.Input.Count];
        for (int i = 0; i < _columns.Length; i++)
        {
            if (!active[i]) continue;
            int picture = schema.Sample.PictureIn(schema.Input[i]);
            _columns[i] = picture >= 0
                ? new PictureBuffer(row => _samples[row][picture]) // read once for the network and for whoever wants the picture itself
                : ColumnBuffer.Create(input, schema.Input[i]);
        }
    }

    public override DataViewSchema Schema => _schema.Output;

    public override long Position => _position;

    public override long Batch => _index >= 0 ? _batches[_index] : 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    public override bool MoveNext()
    {
        if (_done) return false;
        if (_index + 1 >= _count && !ReadBatch())
        {
            End();
            return false;
        }
        _index++;
        _position++;
        return true;
    }

    ReadOnlySpan<float> IScoredRow.Probabilities => _probabilities.AsSpan(Current() * _classes, _classes);

    ReadOnlySpan<float> IScoredRow.Features => _features.AsSpan(Current() * _width, _width);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = _ids[Current()];

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        StageSchema.CheckActive(_active, column);
        var getter = column.Index < _columns.Length ? _columns[column.Index]!.Getter(Current) : _schema.OutputGetter(column.Index, this);
        return StageSchema.Cast<TValue>(getter, _schema.Output[column.Index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) End();
        base.Dispose(disposing);
    }

    private int Current() =>
        _position >= 0 ? _index : throw new InvalidOperationException("The cursor stands before the first row or behind the last; call MoveNext until it "
            + "returns false, and read values in between.");

    private bool ReadBatch()
    {
        int size = _sizes.Next();
        long bytes = 0;
        Reserve(size);
        _index = -1;
        for (_count = 0; _count < size && bytes <= BatchSizes.MaxBytes && _input.MoveNext(); _count++)
        {
            _batches[_count] = _input.Batch;
            _inputId(ref _ids[_count]);
            _reader.Read(_samples[_count], _input.Position);
            bytes += _samples[_count].Length;
            foreach (var column in _columns) column?.Load(_count);
        }
        if (_count == 0) return false;
        int unreadable = _lease.Score(_samples, _count, _probabilities, _features);
        if (unreadable > 0 && _unreadable == 0) _firstUnreadable = _samples.First(sample => sample.Failed).FailedName;
        _unreadable += unreadable;
        return true;
    }

    private void Reserve(int size)
    {
        if (size <= _ids.Length) return;
        Array.Resize(ref _batches, size);
        Array.Resize(ref _ids, size);
        _probabilities = new float[size * _classes];
        if (_width > 0) _features = new float[size * _width];
        while (_samples.Count < size) _samples.Add(new SampleInput());
        foreach (var column in _columns) column?.Reserve(size);
    }

    /// <summary>At the end of the rows or at Dispose, whichever comes first.</summary>
    private void End()
    {
        if (_done) return;
        _done = true;
        (_index, _position, _count) = (-1, -1, 0);
        _input.Dispose();
        _lease.Dispose();
        if (_unreadable == 0) return;
        using var channel = StageLog.Open(_environment, "Scoring");
        string first = _firstUnreadable.Length > 0 ? $", the first '{_firstUnreadable}'" : "";
        channel.Warning(MessageSensitivity.UserData, $"{_unreadable} images could not be read{first}; their Score is NaN and their PredictedLabel missing.");
    }
}

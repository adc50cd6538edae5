using System.Text.Json;
using System.Text.Json.Serialization;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// A file with a line of JSON for the start of a run, for its steps (one a second at most), for every epoch and for its end. A run that is resumed writes on
/// in the same file: a line that a kill cut off is ended, and steps that are taken again are there twice, after a line that says where the run goes on.
/// </summary>
internal sealed class RetrainLog : IProgress<RetrainProgress>, IDisposable
{
    private static readonly JsonSerializerOptions s_format = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
    private static readonly TimeSpan s_stepInterval = TimeSpan.FromSeconds(1);

    private readonly FileStream _stream;
    private readonly IProgress<RetrainProgress>? _listener;
    private readonly TimeProvider _clock;
    private readonly string _path;
    private long? _lastStep;
    private bool _isCutOff;

    /// <summary>Opens the file, or makes it.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="listener">Told as well; or null.</param>
    /// <param name="clock">Time of day and intervals.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public RetrainLog(string path, IProgress<RetrainProgress>? listener, TimeProvider clock)
    {
        (_path, _listener, _clock) = (path, listener, clock);
        try
        {
            // Without a buffer: a line is written as a whole, and none that could not be written is tried again at the end.
            _stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            _isCutOff = EndsInsideALine(_stream);
            _stream.Seek(0, SeekOrigin.End);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _stream?.Dispose();
            throw Unwritable(e);
        }
    }

    /// <summary>A line for what is about to run.</summary>
    /// <param name="settings">All that decides the run's result, name by name.</param>
    /// <param name="epoch">Epochs that an earlier process has finished.</param>
    /// <param name="step">Steps in all that an earlier process has finished.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Begin(IReadOnlyDictionary<string, string> settings, int epoch, int step)
    {
        try
        {
            Write(new { Event = step > 0 ? "resumed" : "started", Time = Now, epoch, step, settings });
        }
        catch (IOException e)
        {
            throw Unwritable(e);
        }
    }

    /// <inheritdoc/>
    public void Report(RetrainProgress value)
    {
        Log(value);
        _listener?.Report(value);
    }

    /// <summary>A line for how the run ended.</summary>
    public void End(RetrainEnding ending, int bestEpoch, double? bestTop1) => TryWrite(new { Event = "ended", Time = Now, ending, bestEpoch, bestTop1 });

    /// <summary>A line for why the run failed.</summary>
    public void Fail(Exception failure) => TryWrite(new { Event = "failed", Time = Now, error = failure.Message });

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private DateTimeOffset Now => _clock.GetUtcNow();

    private void Log(RetrainProgress value)
    {
        if (!value.EpochEnded && _lastStep is { } last && _clock.GetElapsedTime(last) < s_stepInterval) return;
        _lastStep = _clock.GetTimestamp();
        TryWrite(new
        {
            Event = value.EpochEnded ? "epoch" : "step",
            Time = Now,
            value.Epoch,
            value.Epochs,
            value.Step,
            value.Steps,
            value.Loss,
            value.TrainingTop1,
            value.LearningRate,
            value.ImagesPerSecond,
            value.ValidationTop1,
            value.ValidationTop5,
            value.ValidationLoss,
            value.BestTop1,
            BestEpoch = value.BestTop1 is null ? null : (int?)value.BestEpoch,
            ElapsedSeconds = value.Elapsed.TotalSeconds,
            RemainingSeconds = value.Remaining?.TotalSeconds,
        });
    }

    /// <summary>Hours of training must not be lost for a line: where it cannot be written, as on a full disk, it is left out.</summary>
    private void TryWrite<T>(T line)
    {
        try
        {
            Write(line);
        }
        catch (IOException)
        {
            _isCutOff = true;
        }
    }

    private void Write<T>(T line)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(line, s_format);
        _stream.Write(_isCutOff ? [(byte)'\n', .. text, (byte)'\n'] : [.. text, (byte)'\n']);
        _isCutOff = false;
    }

    private IOException Unwritable(Exception e) => new(
        $"The training log '{_path}' cannot be written: {e.Message} Set LogPath to a file in a folder that exists and can be written, or to null.", e);

    private static bool EndsInsideALine(FileStream stream)
    {
        if (stream.Length == 0) return false;
        stream.Seek(-1, SeekOrigin.End);
        return stream.ReadByte() != '\n';
    }
}

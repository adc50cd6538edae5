using System.Diagnostics;

namespace RMeeTo.Cuda;

// Sequences of operators that are recorded and repeated.
public sealed unsafe partial class CudaDevice
{
    /// <summary>False: sequences run operator by operator every time, and nothing is recorded.</summary>
    internal bool RecordsSequences { get; set; } = true;

    /// <summary>Why the first of the recordings that failed did; null where none has. What failed to record runs operator by operator.</summary>
    internal Exception? RecordingFailure { get; private set; }

    /// <summary>
    /// The first time a sequence runs as it comes, which compiles its kernels and grows the scratch memory; the second time it is recorded as a CUDA graph;
    /// from then on the graph is launched.
    /// </summary>
    /// <inheritdoc/>
    public override void Run(ref IDisposable? recording, Action operators)
    {
        if (recording is not CudaRecording own || !own.IsOf(this))
        {
            recording?.Dispose();
            recording = new CudaRecording(this, Runtime);
            operators();
            return;
        }
        if (!RecordsSequences || own.HasFailed || !(own.IsRecordedWith(_scratch) || Record(own, operators))) operators();
        else own.Launch();
    }

    /// <summary>Records a sequence without running it.</summary>
    /// <returns>False where it cannot be recorded; it is not tried again.</returns>
    private bool Record(CudaRecording recording, Action operators)
    {
        Runtime.BeginCapture();
        try
        {
            operators();
        }
        catch (Exception e) // whatever went wrong: what runs next is the sequence itself, and throws again what was not about recording
        {
            Runtime.AbandonCapture();
            return Fail(recording, e);
        }

        try
        {
            recording.Keep(Runtime.EndCapture(), _scratch);
            return true;
        }
        catch (CudaException e) // the driver cannot make a graph of it
        {
            return Fail(recording, e);
        }
    }

    private bool Fail(CudaRecording recording, Exception reason)
    {
        recording.Fail();
        if (RecordingFailure is null)
            Trace.TraceWarning($"{Name}: a sequence of operators could not be recorded as a CUDA graph and runs without: {reason.Message}");
        RecordingFailure ??= reason;
        return false;
    }
}

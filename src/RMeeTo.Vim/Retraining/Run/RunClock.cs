namespace RMeeTo.Vim.Retraining;

/// <summary>The time that a run has used, what it used before it was resumed included.</summary>
/// <param name="time">Where time comes from.</param>
internal sealed class RunClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private TimeSpan _earlier;

    /// <summary>Time since this process began, or resumed, the run.</summary>
    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    /// <summary>The same with what the checkpoint says that the run had used before.</summary>
    public TimeSpan Used => _earlier + Elapsed;

    /// <summary>The run is one that was resumed.</summary>
    /// <param name="used">What it had used.</param>
    public void Resume(TimeSpan used) => _earlier = used;
}

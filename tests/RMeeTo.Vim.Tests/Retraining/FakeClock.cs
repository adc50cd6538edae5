namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Time that passes only when it is told to.</summary>
internal sealed class FakeClock : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public TimeSpan Now => TimeSpan.FromTicks(_now);

    public override long GetTimestamp() => _now;

    public void Pass(double seconds) => _now += TimeSpan.FromSeconds(seconds).Ticks;
}

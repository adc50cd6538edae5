using System.Diagnostics;
using System.Runtime.InteropServices;

namespace RMeeTo.Benchmarks;

/// <summary>Clocks in seconds. Processor time leaves out the time that was spent waiting for a processor; where the system does not tell it, it is wall-clock time.</summary>
internal static class Clock
{
    private const int ProcessProcessorTime = 2, ThreadProcessorTime = 3;

    /// <summary>Whether <see cref="Thread"/> and <see cref="Process"/> are processor time.</summary>
    public static bool IsProcessorTime { get; } = OperatingSystem.IsLinux();

    public static string Name => IsProcessorTime ? "Processor time." : "Wall-clock time.";

    public static double Wall => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    /// <summary>Processor time of the calling thread.</summary>
    public static double Thread => Read(ThreadProcessorTime);

    /// <summary>Processor time of all threads of this process together.</summary>
    public static double Process => Read(ProcessProcessorTime);

    private static double Read(int clock)
    {
        if (!IsProcessorTime) return Wall;
        ReadClock(clock, out var time);
        return time.Seconds + time.Nanoseconds * 1e-9;
    }

    [DllImport("libc", EntryPoint = "clock_gettime"), SuppressGCTransition]
    private static extern int ReadClock(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}

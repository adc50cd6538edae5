using System.Diagnostics;

namespace RMeeTo.Benchmarks;

/// <summary>One thing to time.</summary>
/// <param name="Work">What one call does, in the unit whose rate is wanted, such as floating-point operations.</param>
internal sealed record TimedCase(string Name, double Work, Action Run);

/// <param name="Best">Seconds a call: the twentieth part of the samples is faster, so that one lucky clock reading does not decide.</param>
/// <param name="Median">Seconds a call.</param>
internal sealed record Timing(TimedCase Case, double Best, double Median)
{
    public double BestRate => Case.Work / Best;

    public double MedianRate => Case.Work / Median;
}

/// <summary>
/// Times kernels that take micro- to milliseconds on a machine that is not quiet: the cases take turns, sample by sample, so that a disturbance hits all of
/// them alike, and the clock is the processor time of the thread where the system offers it.
/// </summary>
internal static class KernelTiming
{
    private const double SampleSeconds = 2e-3;

    public static List<Timing> Run(IReadOnlyList<TimedCase> cases, bool smoke)
    {
        var samples = smoke ? 3 : 60;
        var calls = cases.Select(item => smoke ? 1 : CallsPerSample(item.Run)).ToArray();
        var seconds = cases.Select(_ => new double[samples]).ToArray();
        for (var sample = 0; sample < samples; sample++)
            for (var i = 0; i < cases.Count; i++)
                seconds[i][sample] = Time(cases[i].Run, calls[i]) / calls[i];
        foreach (var list in seconds) Array.Sort(list);
        return [.. cases.Select((item, i) => new Timing(item, seconds[i][samples / 20], seconds[i][samples / 2]))];
    }

    // Calls it until it is compiled for good, then as often as makes a sample long enough for the clock.
    private static int CallsPerSample(Action run)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < 0.05;) run();
        var calls = 1;
        while (Time(run, calls) < SampleSeconds) calls *= 2;
        return calls;
    }

    private static double Time(Action run, int calls)
    {
        var start = Clock.Thread;
        for (var call = 0; call < calls; call++) run();
        return Clock.Thread - start;
    }
}

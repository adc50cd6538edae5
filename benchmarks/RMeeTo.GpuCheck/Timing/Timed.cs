using System.Diagnostics;
using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>A device with what timing needs of it.</summary>
internal sealed class TimedTarget(VimDevice device) : IDisposable
{
    private readonly DeviceBuffer _probe = device.Allocate(1);
    private readonly float[] _value = new float[1];

    /// <summary>The device.</summary>
    public VimDevice Device => device;

    /// <summary>Waits for all that was queued: reads a value back, which comes after everything before it.</summary>
    public void Wait() => _probe.Read(_value);

    /// <summary>Frees the value; the device stays.</summary>
    public void Dispose() => _probe.Dispose();
}

/// <summary>
/// Something that is queued on a device, timed by the clock of the process around as many repetitions as fill a sample, with a wait before and after. Samples
/// of several are taken in turns, so that a disturbance hits all alike.
/// </summary>
internal sealed class Timed(TimedTarget target, Action queue)
{
    private readonly List<double> _seconds = [];
    private int _repetitions = 1;

    /// <summary>Median of the seconds that one repetition took; no number before the first sample.</summary>
    public double Median => _seconds.Count == 0 ? double.NaN : _seconds.Order().ElementAt(_seconds.Count / 2);

    /// <summary>How many times as fast as another: the median of the ratios of samples that were taken in the same round.</summary>
    public double RatioTo(Timed other)
    {
        double[] ratios = [.. _seconds.Zip(other._seconds, (own, others) => others / own).Order()];
        return ratios.Length == 0 ? double.NaN : ratios[ratios.Length / 2];
    }

    /// <summary>Runs often enough that kernels are compiled and sequences recorded.</summary>
    public void WarmUp()
    {
        for (int i = 0; i < 3; i++) queue();
        target.Wait();
    }

    /// <summary>Takes a sample of at least this many seconds.</summary>
    public void Sample(double seconds)
    {
        while (true)
        {
            target.Wait();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < _repetitions; i++) queue();
            target.Wait();
            double taken = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (taken >= seconds || _repetitions >= 1 << 20)
            {
                _seconds.Add(taken / _repetitions);
                return;
            }
            _repetitions = (int)Math.Min(1 << 20, Math.Max(_repetitions * 2L, (long)(1.2 * _repetitions * seconds / Math.Max(taken, 1e-6))));
        }
    }
}

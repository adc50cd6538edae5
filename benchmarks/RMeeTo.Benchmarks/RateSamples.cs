using System.Globalization;

namespace RMeeTo.Benchmarks;

/// <summary>Samples of a rate, in processor time of all threads divided by their number, and in wall-clock time.</summary>
internal sealed class RateSamples
{
    private readonly List<double> _processor = [], _wall = [];

    /// <summary>Runs something that takes <paramref name="items"/> items through <paramref name="threads"/> threads.</summary>
    public void Time(int items, int threads, Action run)
    {
        var (processor, wall) = (Clock.Process, Clock.Wall);
        run();
        _processor.Add((Clock.Process - processor) / items / threads);
        _wall.Add((Clock.Wall - wall) / items);
    }

    public void Clear()
    {
        _processor.Clear();
        _wall.Clear();
    }

    /// <summary>Best (the twentieth part of the samples is better) and median of items a second in processor time; median in wall-clock time in brackets.</summary>
    public override string ToString() => $"{Quantile(_processor, 20)}/{Quantile(_processor, 2)} ({Quantile(_wall, 2)})";

    /// <summary>Best items a second and thread, in processor time.</summary>
    public double Best => 1 / Value(_processor, 20);

    private static double Value(List<double> seconds, int part) => seconds.Order().ElementAt(seconds.Count / part);

    private static string Quantile(List<double> seconds, int part)
    {
        double value = Value(seconds, part);
        return (1 / value).ToString(value < 0.01 ? "F0" : value < 0.1 ? "F1" : "F2", CultureInfo.InvariantCulture);
    }
}

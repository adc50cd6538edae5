namespace RMeeTo.Benchmarks;

/// <summary>Processor time and work of the operators that one thread ran, by name.</summary>
internal sealed class OperatorTimes
{
    private readonly Dictionary<string, Entry> _entries = [];

    /// <summary>Starts a booking; disposing of it ends it.</summary>
    public Booking Book(string name, double work = 0)
    {
        if (!_entries.TryGetValue(name, out var entry)) _entries.Add(name, entry = new Entry());
        return new Booking(entry, work, Clock.Thread);
    }

    public void Clear() => _entries.Clear();

    /// <summary>Seconds of all operators.</summary>
    public double Seconds => _entries.Values.Sum(entry => entry.Seconds);

    /// <summary>Part of <paramref name="total"/> seconds by operator, the largest first; products with their part of the peak rate.</summary>
    public string Describe(double total, double peakRate)
    {
        var shares = _entries.OrderByDescending(pair => pair.Value.Seconds).Where(pair => pair.Value.Seconds > 0.004 * total).Select(pair =>
            $"{pair.Key} {pair.Value.Seconds / total:P0}" + (pair.Value.Work > 0.5 * pair.Value.Seconds * 1e9 ? $" ({pair.Value.Work / pair.Value.Seconds / 1e9:F0} GF {pair.Value.Work / pair.Value.Seconds / peakRate:P0})" : ""));
        double products = _entries.Values.Where(entry => entry.Work > 0).Sum(entry => entry.Seconds), work = _entries.Values.Sum(entry => entry.Work);
        return $"{string.Join(", ", shares)}, elsewhere {1 - Seconds / total:P1}; all products {products / total:P0}, {work / products / 1e9:F0} GF, {work / products / peakRate:P0} of the peak";
    }

    public readonly struct Booking(Entry entry, double work, double start) : IDisposable
    {
        public void Dispose()
        {
            entry.Seconds += Clock.Thread - start;
            entry.Work += work;
        }
    }

    public sealed class Entry
    {
        public double Seconds { get; set; }

        public double Work { get; set; }
    }
}

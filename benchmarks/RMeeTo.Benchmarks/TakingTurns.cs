namespace RMeeTo.Benchmarks;

/// <summary>Something to time in turns with others, by the processor time of the calling thread.</summary>
internal sealed class TakingTurns(string name, Action run)
{
    private readonly List<double> _seconds = [];

    public string Name => name;

    public double Median => _seconds.Order().ElementAt(_seconds.Count / 2);

    /// <summary>Adds some runs; before the first there is one that compiles.</summary>
    public void Time(int count)
    {
        if (_seconds.Count == 0) run();
        for (int i = 0; i < count; i++)
        {
            double before = Clock.Thread;
            run();
            _seconds.Add(Clock.Thread - before);
        }
    }
}

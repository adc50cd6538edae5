namespace RMeeTo.Vim.Tests.Devices;

/// <summary>
/// What a GPU does with its operators: they wait in one queue, and nothing is computed before somebody reads. A part of the queue can be recorded and put into
/// it again.
/// </summary>
internal sealed class OperatorQueue
{
    private readonly Lock _lock = new();
    private readonly List<Action> _waiting = [];
    private List<Action>? _recorded;

    /// <summary>How often somebody read when there was something to compute: what the user of a GPU waits for.</summary>
    public int Waits { get; private set; }

    /// <summary>Operators that were called, those of repeated records not counted.</summary>
    public long Called { get; private set; }

    /// <summary>Records that were put into the queue again.</summary>
    public int Repeats { get; private set; }

    /// <summary>Queues an operator, or records it.</summary>
    public void Add(Action work)
    {
        lock (_lock)
        {
            Called++;
            (_recorded ?? _waiting).Add(work);
        }
    }

    /// <summary>Queues a copy from ordinary memory, which no record can hold.</summary>
    public void AddCopy(Action work)
    {
        lock (_lock)
        {
            ThrowIfRecording("A copy from ordinary memory");
            _waiting.Add(work);
        }
    }

    /// <summary>Computes all that waits.</summary>
    public void Wait()
    {
        lock (_lock)
        {
            ThrowIfRecording("A read");
            if (_waiting.Count > 0) Waits++;
            Flush();
        }
    }

    /// <summary>The same without counting, where memory is freed.</summary>
    public void Finish()
    {
        lock (_lock) Flush();
    }

    /// <summary>Throws while operators are recorded.</summary>
    public void ThrowIfRecording(string what)
    {
        lock (_lock)
            if (_recorded is not null) throw new InvalidOperationException($"{what} cannot be recorded.");
    }

    /// <summary>The first time as it comes, the second time recorded, from then on repeated.</summary>
    public void Run(ref IDisposable? recording, Action operators)
    {
        switch (recording)
        {
            case null:
                recording = new Recording(this);
                operators();
                return;
            case Recording { Operators: null } seen:
                seen.Operators = Record(operators);
                Repeat(seen.Operators, isNew: true);
                return;
            default:
                Repeat(((Recording)recording).Operators!, isNew: false);
                return;
        }
    }

    private List<Action> Record(Action operators)
    {
        lock (_lock) _recorded = [];
        try
        {
            operators();
            return _recorded;
        }
        finally
        {
            lock (_lock) _recorded = null;
        }
    }

    private void Repeat(List<Action> operators, bool isNew)
    {
        lock (_lock)
        {
            if (!isNew) Repeats++;
            _waiting.AddRange(operators);
        }
    }

    private void Flush()
    {
        foreach (var work in _waiting) work();
        _waiting.Clear();
    }

    private sealed class Recording(OperatorQueue queue) : IDisposable
    {
        public List<Action>? Operators { get; set; }

        public void Dispose() => queue.Finish();
    }
}

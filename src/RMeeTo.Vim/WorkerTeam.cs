using System.Runtime.ExceptionServices;

namespace RMeeTo.Vim;

/// <summary>
/// A fixed number of workers that claim items one by one. The calling thread is worker 0 and claims items like the rest, so nobody waits for a fixed share of
/// another. Which worker gets which item is left to chance; results must not depend on it.
/// </summary>
internal sealed class WorkerTeam : IDisposable
{
    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _start = new(0);
    private readonly CountdownEvent _finished = new(1);
    private Action<int, int>? _work;
    private int _items;
    private int _next;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _disposed;

    /// <summary>Starts the threads.</summary>
    /// <param name="workers">Workers, the calling thread included; at least 1.</param>
    public WorkerTeam(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        Workers = workers;
        _threads = new Thread[workers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Loop(worker)) { IsBackground = true, Name = $"RMeeTo worker {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Workers, the calling thread included.</summary>
    public int Workers { get; }

    /// <summary>Number of threads that a request stands for: 0 or less means one a processor.</summary>
    public static int Resolve(int threads) => threads > 0 ? threads : Environment.ProcessorCount;

    /// <summary>
    /// Runs <c>work(worker, item)</c> for every item and returns when all are done. An exception stops the claiming of items and is thrown here.
    /// </summary>
    public void Run(int items, Action<int, int> work)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int helpers = Math.Min(_threads.Length, items - 1);
        (_work, _items, _next, _failure) = (work, items, -1, null);
        if (helpers > 0)
        {
            _finished.Reset(helpers);
            _start.Release(helpers);
        }
        Claim(0);
        if (helpers > 0) _finished.Wait();
        _work = null;
        _failure?.Throw();
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        if (_threads.Length > 0) _start.Release(_threads.Length);
        foreach (var thread in _threads) thread.Join();
        _start.Dispose();
        _finished.Dispose();
    }

    private void Loop(int worker)
    {
        while (true)
        {
            _start.Wait();
            if (_disposed) return;
            Claim(worker);
            _finished.Signal();
        }
    }

    private void Claim(int worker)
    {
        try
        {
            for (int item; (item = Interlocked.Increment(ref _next)) < _items;) _work!(worker, item);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(failure), null);
            Volatile.Write(ref _next, _items);
        }
    }
}

using Microsoft.ML.Runtime;

namespace RMeeTo.MLNet;

/// <summary>Cancels where the user's token or <c>MLContext.CancelExecution</c> says so.</summary>
internal sealed class FitCancellation : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private readonly IHostEnvironment _environment;
    private readonly CancellationTokenSource _source;
    private readonly Timer _timer;
    private bool _disposed;

    public FitCancellation(IHostEnvironment environment, CancellationToken user)
    {
        _environment = environment;
        _source = CancellationTokenSource.CreateLinkedTokenSource(user);
        // While images are validated nobody reports. The timer alone is not enough: it never comes where every thread of the pool is busy.
        _timer = new Timer(_ => Ask(), null, TimeSpan.Zero, Interval);
        Ask();
    }

    public CancellationToken Token => _source.Token;

    /// <summary>Looks whether ML.NET was told to cancel; it tells nobody by itself.</summary>
    public void Ask()
    {
        lock (_source)
        {
            if (!_disposed && MlNetInternals.IsCanceled(_environment)) _source.Cancel();
        }
    }

    public void Dispose()
    {
        _timer.Dispose(); // without waiting for a last call, which may be stuck behind a busy pool
        lock (_source)
        {
            _disposed = true;
            _source.Dispose();
        }
    }
}

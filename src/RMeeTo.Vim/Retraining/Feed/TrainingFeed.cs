using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// A bounded queue of steps whose images are prepared while earlier steps are computed. A fixed number of batches is used in turn: one is computed, loader
/// threads fill those of the next steps, in order, those of the next epoch while an epoch is validated.
/// </summary>
internal sealed class TrainingFeed : IDisposable
{
    private readonly object _gate = new(); // a Lock cannot be waited on
    private readonly TrainingImages _images;
    private readonly LaneRange _lanes;
    private readonly TrainingBatch[] _batches;
    private readonly Thread[] _loaders;
    private readonly long _end;
    private EpochOrder? _order;
    private int _orderEpoch = -1;
    private long _taken;
    private long _begun;
    private bool _disposed;

    /// <summary>Starts the loaders; they begin at once.</summary>
    /// <param name="images">Makes network inputs.</param>
    /// <param name="options">Batch size, epochs, prepared batches.</param>
    /// <param name="lanes">The lanes that are computed here: only their images are prepared.</param>
    /// <param name="loaders">Threads; at least 0, where every image is prepared when it is needed.</param>
    /// <param name="firstStep">First step, counted over all epochs from 0.</param>
    /// <param name="staging">The device that takes all inputs of a step at once; null: they are asked for one by one.</param>
    public TrainingFeed(TrainingImages images, RetrainOptions options, LaneRange lanes, int loaders, long firstStep, VimDevice? staging = null)
    {
        (_images, _lanes, _taken, _begun) = (images, lanes, firstStep, firstStep);
        _end = (long)images.Plan.Steps * options.Epochs;
        _batches = new TrainingBatch[options.PreparedBatches];
        for (int i = 0; i < _batches.Length; i++) _batches[i] = new TrainingBatch(images, staging);
        _loaders = new Thread[loaders];
        for (int i = 0; i < loaders; i++)
        {
            _loaders[i] = new Thread(Load) { IsBackground = true, Name = $"RMeeTo loader {i + 1}" };
            _loaders[i].Start();
        }
    }

    /// <summary>Samples and steps of an epoch.</summary>
    public EpochPlan Plan => _images.Plan;

    /// <summary>Loader threads that have not ended.</summary>
    public int LoadersAlive => _loaders.Count(loader => loader.IsAlive);

    /// <summary>Loader threads beside the threads that compute: some where those use all processors, the other processors where a device computes.</summary>
    /// <param name="threads">Threads asked for; 0 means one a processor.</param>
    /// <param name="workers">Threads that compute.</param>
    public static int LoadersFor(int threads, int workers)
    {
        int all = WorkerTeam.Resolve(threads);
        return Math.Max(all - workers, (all + 3) / 4); // workers help where that is too few
    }

    /// <summary>The batch of the next step; its images may still be under way. It is the caller's until <see cref="Return"/>.</summary>
    public TrainingBatch Take()
    {
        lock (_gate)
        {
            if (_begun == _taken) BeginNext();
            return _batches[_taken % _batches.Length];
        }
    }

    /// <summary>The step is done, and its batch free for another.</summary>
    public void Return()
    {
        lock (_gate)
        {
            _taken++;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Ends the loaders, each after the image that it works on, and frees the batches.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Monitor.PulseAll(_gate);
        }
        foreach (var loader in _loaders) loader.Join();
        foreach (var batch in _batches) batch.Dispose();
    }

    private void Load()
    {
        var buffer = new ImageReadBuffer();
        long step = -1;
        while (WaitForWork(ref step) is { } batch)
            while (batch.PrepareNext(buffer) && !Volatile.Read(ref _disposed)) { }
    }

    /// <summary>The batch of the step after <paramref name="step"/>, or of the earliest that is not done yet; null where the loader is to end.</summary>
    private TrainingBatch? WaitForWork(ref long step)
    {
        lock (_gate)
        {
            step = Math.Max(step + 1, _taken);
            while (!_disposed && (step >= _taken + _batches.Length || step >= _end)) Monitor.Wait(_gate);
            if (_disposed) return null;
            while (_begun <= step) BeginNext();
            return _batches[step % _batches.Length];
        }
    }

    private void BeginNext()
    {
        var (epoch, step) = ((int)(_begun / Plan.Steps), (int)(_begun % Plan.Steps));
        if (_orderEpoch != epoch) (_orderEpoch, _order) = (epoch, _images.Order(epoch));
        _batches[_begun % _batches.Length].Begin(_order!, epoch, step, _lanes);
        _begun++;
    }
}

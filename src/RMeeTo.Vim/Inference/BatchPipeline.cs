using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.ExceptionServices;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// Runs a network on a device that takes whole batches: the images of a batch are prepared on all threads while the device computes the batch before. Many
/// callers may run at once; they take turns.
/// </summary>
/// <remarks>
/// Two callers at most have images in memory: while the device computes for one, the other prepares. Where a third waits, one of them hands its place on after
/// its batch, so that a single image does not wait for a whole data set.
/// </remarks>
internal sealed class BatchPipeline : IDisposable
{
    private const int Places = 2;
    private const double MemoryShare = 0.8;

    private readonly ClassifierNetwork _network;
    private readonly IVimDeviceProvider _provider;
    private readonly PixelNormalization? _normalization;
    private readonly int _threads;
    private readonly SemaphoreSlim _places = new(Places);
    private readonly SemaphoreSlim _devices;
    private readonly SemaphoreSlim _cores;
    private readonly ConcurrentBag<BatchEngine> _engines = [];
    private readonly ConcurrentBag<StagedBatches> _staged = [];
    private readonly Lock _hostLock = new();
    private VimDevice? _host;
    private int _waiting;

    /// <summary>Allocates nothing yet.</summary>
    /// <param name="network">Weights and merges.</param>
    /// <param name="provider">Makes devices.</param>
    /// <param name="threads">Threads that prepare images; 0 means one a processor.</param>
    /// <param name="normalization">How pixels become numbers; null: there are none.</param>
    public BatchPipeline(ClassifierNetwork network, IVimDeviceProvider provider, int threads, PixelNormalization? normalization)
    {
        (_network, _provider, _threads, BatchCapacity) = (network, provider, WorkerTeam.Resolve(threads), Fitting(network, provider));
        _normalization = provider.TakesImageBytes ? normalization : null;
        (_devices, _cores) = (new SemaphoreSlim(provider.Workers(threads)), new SemaphoreSlim(_threads));
    }

    /// <summary>Images that are computed at once: as the provider says, or fewer where its memory has no room for them.</summary>
    public int BatchCapacity { get; }

    /// <summary>Runs the network over images 0 … count − 1; results come in this order, on the calling thread.</summary>
    /// <inheritdoc cref="NetworkRunner.Run"/>
    public void Run(int count, ImageFiller fill, PixelFiller? pixels, PredictionSink sink, CancellationToken cancellation, bool withFeatures)
    {
        var job = new Job(count, fill, _normalization is null ? null : pixels, sink, cancellation, withFeatures ? _network.FeatureWidth : 0);
        for (int done = 0; done < count;)
        {
            Enter(cancellation);
            try
            {
                done = TakeTurn(job, done);
            }
            finally
            {
                _places.Release();
            }
        }
    }

    /// <summary>Frees everything. No run may be under way.</summary>
    public void Dispose()
    {
        while (_engines.TryTake(out var engine)) engine.Dispose();
        while (_staged.TryTake(out var staged)) staged.Dispose();
        _host?.Dispose();
        _places.Dispose();
        _devices.Dispose();
        _cores.Dispose();
    }

    private static int Fitting(ClassifierNetwork network, IVimDeviceProvider provider)
    {
        int batch = provider.BatchFor(network.InputTokens);
        if (provider.FreeMemory is not { } free) return batch;
        using var device = provider.CreateDevice();
        while (batch > 1 && Bytes() > MemoryShare * free) batch /= 2;
        return batch;

        double Bytes() => sizeof(float) * (double)network.ActivationsLength(device, batch) + (double)network.InputLength * batch;
    }

    private void Enter(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (_places.Wait(0)) return; // where somebody waits there is none
        Interlocked.Increment(ref _waiting);
        try
        {
            Wait(_places, cancellation);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>Waits in a row: who comes first goes first, also where somebody comes back at once. Only asynchronous waiting promises that.</summary>
    private static void Wait(SemaphoreSlim semaphore, CancellationToken cancellation) => semaphore.WaitAsync(cancellation).GetAwaiter().GetResult();

    /// <summary>Runs batches until all are done, or somebody waits for the place.</summary>
    /// <returns>The first image that is not done.</returns>
    private int TakeTurn(Job job, int first)
    {
        if (!_staged.TryTake(out var staged)) staged = new StagedBatches(AllocateHost);
        try
        {
            var (batch, finished) = (Prepare(job, staged, slot: 0, first), default(Batch));
            while (batch.Count > 0) (finished, batch) = (batch, Compute(job, staged, batch, finished));
            HandOut(job, staged, finished);
            return finished.End;
        }
        finally
        {
            _staged.Add(staged);
        }
    }

    /// <summary>Computes a batch. Meanwhile hands out the results of the one before, and prepares the one after it.</summary>
    /// <returns>The one after it; of no images where there is none in this turn.</returns>
    private Batch Compute(Job job, StagedBatches staged, Batch batch, Batch finished)
    {
        job.Cancellation.ThrowIfCancellationRequested();
        Wait(_devices, job.Cancellation);
        BatchEngine? engine = null;
        try
        {
            if (!_engines.TryTake(out engine)) engine = new BatchEngine(_provider.CreateDevice(), _network, _normalization, BatchCapacity);
            engine.Begin(batch.Inputs!, batch.Count, job.Pixels is not null);
            HandOut(job, staged, finished);
            var following = Volatile.Read(ref _waiting) == 0 ? Prepare(job, staged, 1 - batch.Slot, batch.End) : default;
            var (probabilities, features) = staged.Results(batch.Count * _network.Classes, batch.Count * job.FeatureWidth);
            engine.End(probabilities.Span, features.Span);
            return following;
        }
        catch
        {
            engine?.Abandon(); // nobody may fill inputs again that the device has not copied yet
            throw;
        }
        finally
        {
            if (engine is not null) _engines.Add(engine);
            _devices.Release();
        }
    }

    /// <summary>Prepares the inputs of a batch on all threads.</summary>
    private Batch Prepare(Job job, StagedBatches staged, int slot, int first)
    {
        int count = Math.Min(BatchCapacity, job.Count - first), length = _network.InputLength;
        if (count <= 0) return default;
        long room = Math.Min(BatchCapacity, (long)BitOperations.RoundUpToPowerOf2((uint)count)) * length;
        var inputs = staged.Inputs(slot, job.Pixels is null ? room * sizeof(float) : room);
        if (count == 1 || _threads == 1)
        {
            for (int i = 0; i < count; i++) Fill(i);
            return new Batch(inputs, slot, first, count);
        }
        try
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _threads, CancellationToken = job.Cancellation }, Fill);
        }
        catch (AggregateException failure) when (failure.InnerException is not null)
        {
            ExceptionDispatchInfo.Throw(failure.InnerException);
        }
        return new Batch(inputs, slot, first, count);

        void Fill(int i)
        {
            _cores.Wait(job.Cancellation);
            try
            {
                if (job.Pixels is null) job.Fill(first + i, inputs.Floats((long)i * length, length));
                else job.Pixels(first + i, inputs.Bytes((long)i * length, length));
            }
            finally
            {
                _cores.Release();
            }
        }
    }

    private void HandOut(Job job, StagedBatches staged, Batch batch)
    {
        int classes = _network.Classes;
        var (probabilities, features) = staged.Results(batch.Count * classes, batch.Count * job.FeatureWidth);
        for (int i = 0; i < batch.Count; i++)
            job.Sink(batch.First + i, probabilities.Span.Slice(i * classes, classes), features.Span.Slice(i * job.FeatureWidth, job.FeatureWidth));
    }

    /// <summary>A device is for one thread at a time.</summary>
    private HostBuffer AllocateHost(long bytes)
    {
        lock (_hostLock) return (_host ??= _provider.CreateDevice()).AllocateHost(bytes);
    }

    /// <summary>What a caller asked for.</summary>
    /// <param name="Count">Number of images.</param>
    /// <param name="Fill">Prepares one as numbers.</param>
    /// <param name="Pixels">Prepares one as pixels, which is then done; or null.</param>
    /// <param name="Sink">Receives results.</param>
    /// <param name="Cancellation">Looked at before every batch.</param>
    /// <param name="FeatureWidth">Features of an image; 0 where they are not wanted.</param>
    private sealed record Job(int Count, ImageFiller Fill, PixelFiller? Pixels, PredictionSink Sink, CancellationToken Cancellation, int FeatureWidth);

    /// <summary>Images that are computed together, and where their inputs lie.</summary>
    private readonly record struct Batch(HostBuffer? Inputs, int Slot, int First, int Count)
    {
        public int End => First + Count;
    }
}

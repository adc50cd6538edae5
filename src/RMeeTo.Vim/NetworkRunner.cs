using System.Collections.Concurrent;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>Writes the network input of one image, [3, H, W], or clip, [3, T, H, W], normalised.</summary>
internal delegate void ImageFiller(int index, Span<float> destination);

/// <summary>Writes the pixels of one network input, which is then normalised: [H, W, 3], or [T, H, W, 3] of a clip.</summary>
internal delegate void PixelFiller(int index, Span<byte> destination);

/// <summary>Receives the outputs of one image: class probabilities, and the class token after the final norm where it was asked for (else nothing).</summary>
internal delegate void PredictionSink(int index, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> features);

/// <summary>
/// Runs a network over any number of images on several workers, or on a device that takes whole batches. Many callers may run at once; together they use no
/// more workers than the thread budget. The result of an image does not depend on the images around it, but for what <see cref="IVimDeviceProvider.BatchFor"/>
/// says of a GPU.
/// </summary>
internal sealed class NetworkRunner : IDisposable
{
    /// <summary>Rows (images · tokens) that keep the matrix products efficient while a worker's activations stay in its cache.</summary>
    private const int RowsPerBatch = 300;

    private readonly ClassifierNetwork _network;
    private readonly IVimDeviceProvider _provider;
    private readonly int _workers;
    private readonly ConcurrentBag<Engine> _idle = [];
    private readonly SemaphoreSlim _free;
    private readonly BatchPipeline? _pipeline;

    /// <summary>Allocates nothing yet: every worker gets its activations with its first images.</summary>
    /// <param name="network">Weights and merges.</param>
    /// <param name="provider">Makes one device a worker.</param>
    /// <param name="threads">Thread budget; 0 means one a processor.</param>
    /// <param name="normalization">How pixels become numbers, where images are given as such too; null: they are not.</param>
    public NetworkRunner(ClassifierNetwork network, IVimDeviceProvider provider, int threads, PixelNormalization? normalization = null)
    {
        _network = network;
        _provider = provider;
        _workers = provider.Workers(threads);
        _free = new SemaphoreSlim(_workers);
        if (provider.TakesWholeBatches) _pipeline = new BatchPipeline(network, provider, threads, normalization);
        BatchCapacity = _pipeline?.BatchCapacity ?? provider.BatchFor(network.InputTokens);
    }

    /// <summary>Images that a worker takes at once.</summary>
    public int BatchCapacity { get; }

    /// <summary>Values of a network input.</summary>
    public int InputLength => _network.InputLength;

    /// <summary>Features of an image.</summary>
    public int FeatureWidth => _network.FeatureWidth;

    /// <summary>Images at once for sequences of this length, where a worker's activations are to stay in its cache.</summary>
    public static int BatchFor(int tokens) => Math.Clamp(RowsPerBatch / tokens, 1, 32);

    /// <summary>Runs the network over images 0 … count − 1; the delegates are called on the workers.</summary>
    /// <param name="count">Number of images.</param>
    /// <param name="fill">Called once for every image, before its results; unless <paramref name="pixels"/> is called for it.</param>
    /// <param name="sink">Called once for every image; the spans are valid during the call.</param>
    /// <param name="cancellation">Looked at before every batch of a worker.</param>
    /// <param name="withFeatures">Whether the sink gets the class token; it is read back from the device only then.</param>
    /// <param name="pixels">The same images as pixels, for a device that takes them so; null: there are none.</param>
    /// <exception cref="OperationCanceledException">Cancelled; some images may have been done.</exception>
    public void Run(
        int count, ImageFiller fill, PredictionSink sink, CancellationToken cancellation = default, bool withFeatures = false, PixelFiller? pixels = null)
    {
        if (count == 0) return;
        if (_pipeline is not null)
        {
            _pipeline.Run(count, fill, pixels, sink, cancellation, withFeatures);
            return;
        }
        int batch = Math.Min(BatchCapacity, (count + _workers - 1) / _workers);
        int batches = (count + batch - 1) / batch;
        if (batches == 1 || _workers == 1)
        {
            for (int i = 0; i < batches; i++) RunBatch(i);
            return;
        }
        try
        {
            Parallel.For(0, batches, new ParallelOptions { MaxDegreeOfParallelism = _workers, CancellationToken = cancellation }, RunBatch);
        }
        catch (AggregateException failure) when (failure.InnerException is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure.InnerException);
        }

        void RunBatch(int index)
        {
            cancellation.ThrowIfCancellationRequested();
            _free.Wait(cancellation);
            Engine? engine = null;
            try
            {
                if (!_idle.TryTake(out engine)) engine = new Engine(_provider.CreateDevice(), _network, BatchCapacity);
                engine.Run(index * batch, Math.Min(batch, count - index * batch), fill, sink, withFeatures);
            }
            finally
            {
                if (engine is not null) _idle.Add(engine); // after a failed fill, or one that was cancelled, as good as before
                _free.Release();
            }
        }
    }

    /// <summary>Frees everything. No run may be under way.</summary>
    public void Dispose()
    {
        while (_idle.TryTake(out var engine)) engine.Dispose();
        _free.Dispose();
        _pipeline?.Dispose();
    }

    /// <summary>A device with its activations.</summary>
    private sealed class Engine(VimDevice device, ClassifierNetwork network, int batchCapacity) : IDisposable
    {
        private readonly ClassifierWorkspace _workspace = network.CreateWorkspace(device, batchCapacity, forTraining: false);
        private readonly DeviceBuffer _probabilities = device.Allocate((long)batchCapacity * network.Classes);
        private readonly float[] _image = new float[network.InputLength];
        private readonly float[] _results = new float[batchCapacity * network.Classes];
        private readonly float[] _features = new float[batchCapacity * network.FeatureWidth];

        public void Run(int first, int count, ImageFiller fill, PredictionSink sink, bool withFeatures)
        {
            var (classes, width) = (network.Classes, withFeatures ? network.FeatureWidth : 0);
            for (int i = 0; i < count; i++)
            {
                fill(first + i, _image);
                _workspace.Images.Buffer.Write(_image, (long)i * _image.Length);
            }
            network.Forward(device, _workspace, count);
            device.Softmax(_workspace.Logits.SliceRows(0, count), new DeviceMatrix(_probabilities, count, classes));
            _probabilities.Read(_results.AsSpan(0, count * classes));
            if (withFeatures) _workspace.Features.Buffer.Read(_features.AsSpan(0, count * width));
            for (int i = 0; i < count; i++) sink(first + i, _results.AsSpan(i * classes, classes), _features.AsSpan(i * width, width));
        }

        public void Dispose()
        {
            _probabilities.Dispose();
            _workspace.Dispose();
            device.Dispose();
        }
    }
}

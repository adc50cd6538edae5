using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// Classifies images with a network of any kind. Thread-safe: concurrent calls share the weights and nothing else, and together use no more threads than asked
/// for. On a CPU an image's result is the same bit for bit whatever is classified beside it; on a GPU its last digits may differ by the size of the batch.
/// </summary>
public abstract class ImageClassifier : IDisposable
{
    private readonly VimDevice _owner;
    private readonly DeviceWeights _weights;
    private readonly NetworkRunner _runner;
    private readonly Lock _lifetime = new();
    private int _running;
    private bool _disposed;

    /// <summary>Copies the weights to the device.</summary>
    /// <param name="model">The network.</param>
    /// <param name="threads">Thread budget; 0 means one a processor.</param>
    /// <param name="device">Where to run; null means the CPU.</param>
    private protected ImageClassifier(ClassifierModel model, int threads, IVimDeviceProvider? device)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        Device = device ?? CpuDeviceProvider.Instance;
        _owner = Device.CreateDevice();
        try
        {
            _weights = new DeviceWeights(_owner, model.Weights, forTraining: false);
        }
        catch
        {
            _owner.Dispose();
            throw;
        }
        _runner = new NetworkRunner(model.CreateNetwork(_weights), Device, threads, model.Preprocessing.Normalization);
    }

    /// <summary>The network.</summary>
    public virtual ClassifierModel Model { get; }

    /// <summary>Where it runs.</summary>
    public IVimDeviceProvider Device { get; }

    /// <summary>Class probabilities of images.</summary>
    /// <param name="images">Any sizes.</param>
    /// <param name="probabilities">[images, classes], row-major; written.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">There is not enough room for the probabilities, or an image is empty.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; some probabilities may have been written.</exception>
    /// <exception cref="ObjectDisposedException">The classifier is disposed.</exception>
    /// <exception cref="InvalidOperationException">The network is for clips.</exception>
    public void Predict(IReadOnlyList<RgbImage> images, Memory<float> probabilities, CancellationToken cancellation = default)
    {
        CheckTakesImages();
        var (fill, pixels) = Fillers(images);
        Predict(images.Count, fill, probabilities, cancellation, pixels: pixels);
    }

    /// <summary>Class probabilities and features of images. The features are the class token after the final norm: what the head sees.</summary>
    /// <param name="images">Any sizes.</param>
    /// <param name="probabilities">[images, classes], row-major; written.</param>
    /// <param name="features">[images, features], row-major; written; C values an image, such as <see cref="VimConfig.Width"/>.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">There is not enough room for the probabilities or the features, or an image is empty.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; some results may have been written.</exception>
    /// <exception cref="ObjectDisposedException">The classifier is disposed.</exception>
    public void PredictWithFeatures(
        IReadOnlyList<RgbImage> images, Memory<float> probabilities, Memory<float> features, CancellationToken cancellation = default)
    {
        CheckTakesImages();
        int width = _runner.FeatureWidth;
        if (features.Length < (long)images.Count * width)
            throw new ArgumentException($"{images.Count} images of {width} features need {(long)images.Count * width} values; there is room for "
                + $"{features.Length}.", nameof(features));
        var (fill, pixels) = Fillers(images);
        Predict(images.Count, fill, probabilities, cancellation, features, pixels);
    }

    /// <summary>Class probabilities of network inputs that are already resized and normalised.</summary>
    /// <param name="inputs">[images, 3, H, W], row-major; for a network for clips [clips, 3, T, H, W].</param>
    /// <param name="probabilities">[images, classes], row-major; written.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">
    /// <paramref name="inputs"/> is not a whole number of images, or there is not enough room for the probabilities.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled; some probabilities may have been written.</exception>
    /// <exception cref="ObjectDisposedException">The classifier is disposed.</exception>
    public void PredictNormalized(ReadOnlyMemory<float> inputs, Memory<float> probabilities, CancellationToken cancellation = default)
    {
        int length = _runner.InputLength;
        if (inputs.Length % length != 0)
        {
            string shape = $"{(Model.InputFrames == 0 ? "3" : $"3·{Model.InputFrames}")}·{Model.Preprocessing.ImageHeight}·{Model.Preprocessing.ImageWidth}";
            throw new ArgumentException($"{inputs.Length} values are not a whole number of {(Model.InputFrames == 0 ? "images" : "clips")} of {shape} = "
                + $"{length} values.", nameof(inputs));
        }
        Predict(inputs.Length / length, (index, destination) => inputs.Span.Slice(index * length, length).CopyTo(destination), probabilities, cancellation);
    }

    /// <summary>Frees weights and buffers, once the calls that are under way have ended; may be called again.</summary>
    public void Dispose()
    {
        lock (_lifetime)
        {
            if (_disposed) return;
            _disposed = true;
            if (_running > 0) return;
        }
        Free();
    }

    /// <summary>Index of the largest value, the lowest where several are equal.</summary>
    internal static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }

    /// <summary>Class probabilities, and features unless empty, of images that the workers fetch themselves, such as encoded files.</summary>
    internal void Predict(
        int count, ImageFiller fill, Memory<float> probabilities, CancellationToken cancellation, Memory<float> features = default,
        PixelFiller? pixels = null)
    {
        int classes = Model.ClassNames.Count, width = _runner.FeatureWidth;
        if (probabilities.Length < (long)count * classes)
            throw new ArgumentException($"{count} images of {classes} classes need {(long)count * classes} values; there is room for "
                + $"{probabilities.Length}.", nameof(probabilities));
        Enter();
        try
        {
            _runner.Run(count, fill, (index, result, feature) =>
            {
                result.CopyTo(probabilities.Span.Slice(index * classes, classes));
                if (!features.IsEmpty) feature.CopyTo(features.Span.Slice(index * width, width));
            }, cancellation, withFeatures: !features.IsEmpty, pixels);
        }
        finally
        {
            Leave();
        }
    }

    private (ImageFiller Fill, PixelFiller Pixels) Fillers(IReadOnlyList<RgbImage> images) => (
        (index, destination) => Model.Preprocessing.Apply(images[index], destination),
        (index, destination) => Model.Preprocessing.Crop(images[index], destination));

    private void CheckTakesImages()
    {
        if (Model.InputFrames > 0)
            throw new InvalidOperationException($"This network is for clips of {Model.InputFrames} frames; call PredictClips, or use a network for images.");
    }

    /// <summary>Weights are native memory: they must not be freed under a call that reads them.</summary>
    private void Enter()
    {
        lock (_lifetime)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _running++;
        }
    }

    private void Leave()
    {
        lock (_lifetime)
        {
            if (--_running > 0 || !_disposed) return;
        }
        Free();
    }

    private void Free()
    {
        _runner.Dispose();
        _weights.Dispose();
        _owner.Dispose();
    }
}

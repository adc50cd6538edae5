using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// Classifies images with a <see cref="VimModel"/>. Thread-safe: concurrent calls share the weights and nothing else, and together use no more threads than asked for.
/// An image's result is the same bit for bit whatever is classified beside it.
/// </summary>
public sealed class VimClassifier : IDisposable
{
    private readonly VimDevice _owner;
    private readonly DeviceWeights _weights;
    private readonly NetworkRunner _runner;
    private int _disposed;

    /// <summary>Copies the weights to the device.</summary>
    /// <param name="model">The network.</param>
    /// <param name="threads">Thread budget; 0 means one a processor.</param>
    /// <param name="device">Where to run; null means the CPU.</param>
    public VimClassifier(VimModel model, int threads = 0, IVimDeviceProvider? device = null)
    {
        Model = model;
        Device = device ?? CpuDeviceProvider.Instance;
        _owner = Device.CreateDevice();
        _weights = new DeviceWeights(_owner, model.Weights, forTraining: false);
        _runner = new NetworkRunner(new VimNetwork(_weights, model.Schedule, model.Merging), Device, threads);
    }

    /// <summary>The network.</summary>
    public VimModel Model { get; }

    /// <summary>Where it runs.</summary>
    public IVimDeviceProvider Device { get; }

    /// <summary>Class probabilities of images.</summary>
    /// <param name="images">Any sizes.</param>
    /// <param name="probabilities">[images, classes], row-major; written.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">There is not enough room for the probabilities.</exception>
    public void Predict(IReadOnlyList<RgbImage> images, Memory<float> probabilities, CancellationToken cancellation = default) =>
        Predict(images.Count, (index, destination) => Model.Preprocessing.Apply(images[index], destination), probabilities, cancellation);

    /// <summary>Class probabilities of network inputs that are already resized and normalised.</summary>
    /// <param name="inputs">[images, 3, H, W], row-major.</param>
    /// <param name="probabilities">[images, classes], row-major; written.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException"><paramref name="inputs"/> is not a whole number of images, or there is not enough room for the probabilities.</exception>
    public void PredictNormalized(ReadOnlyMemory<float> inputs, Memory<float> probabilities, CancellationToken cancellation = default)
    {
        int length = 3 * Model.Weights.Config.ImageHeight * Model.Weights.Config.ImageWidth;
        if (inputs.Length % length != 0)
            throw new ArgumentException($"{inputs.Length} values are not a whole number of images of 3·{Model.Weights.Config.ImageHeight}·{Model.Weights.Config.ImageWidth} = {length} values.", nameof(inputs));
        Predict(inputs.Length / length, (index, destination) => inputs.Span.Slice(index * length, length).CopyTo(destination), probabilities, cancellation);
    }

    /// <summary>Frees weights and buffers; may be called again.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _runner.Dispose();
        _weights.Dispose();
        _owner.Dispose();
    }

    /// <summary>Index of the largest value, the lowest where several are equal.</summary>
    internal static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }

    /// <summary>Class probabilities of images that the workers fetch themselves, such as encoded files.</summary>
    internal void Predict(int count, ImageFiller fill, Memory<float> probabilities, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        int classes = Model.Weights.Config.Classes;
        if (probabilities.Length < (long)count * classes)
            throw new ArgumentException($"{count} images of {classes} classes need {(long)count * classes} values; there is room for {probabilities.Length}.", nameof(probabilities));
        _runner.Run(count, fill, (index, result, _) => result.CopyTo(probabilities.Span.Slice(index * classes, classes)), cancellation);
    }
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>Classifies all validation images.</summary>
/// <param name="images">The images.</param>
/// <param name="preprocessing">How the network is evaluated.</param>
/// <param name="network">Reads the weights as they are when it is asked.</param>
/// <param name="provider">Makes one device a worker.</param>
/// <param name="threads">Thread budget; 0 means one a processor.</param>
internal sealed class Validator(ImageSet images, EvaluationPreprocessing preprocessing, ClassifierNetwork network, IVimDeviceProvider provider, int threads) : IDisposable
{
    private readonly NetworkRunner _runner = new(network, provider, threads);
    private readonly ThreadLocal<ImageReadBuffer> _buffers = new(() => new ImageReadBuffer());

    /// <summary>Share of the images that are classified rightly.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public double Top1(CancellationToken cancellation)
    {
        int right = 0;
        _runner.Run(images.Count,
            (k, destination) => images.Prepare(k, network.InputFrames, preprocessing, _buffers.Value!, destination),
            (k, probabilities, _) =>
            {
                if (ImageClassifier.IndexOfMax(probabilities) == images.Label(k)) Interlocked.Increment(ref right);
            }, cancellation);
        return right / (double)images.Count;
    }

    public void Dispose()
    {
        _runner.Dispose();
        _buffers.Dispose();
    }
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>Classifies all validation images.</summary>
/// <param name="images">The images.</param>
/// <param name="preprocessing">How the network is evaluated.</param>
/// <param name="network">Reads the weights as they are when it is asked.</param>
/// <param name="provider">Makes one device a worker.</param>
/// <param name="threads">Thread budget; 0 means one a processor.</param>
/// <param name="processes">Those that classify together.</param>
internal sealed class Validator(
    ImageSet images, EvaluationPreprocessing preprocessing, ClassifierNetwork network, IVimDeviceProvider provider, int threads, TrainingProcesses processes) : IDisposable
{
    private readonly NetworkRunner _runner = new(network, provider, threads);
    private readonly ThreadLocal<ImageReadBuffer> _buffers = new(() => new ImageReadBuffer());

    /// <summary>Share of the images that are classified rightly; every process classifies a part of them.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public double Top1(CancellationToken cancellation)
    {
        int right = 0;
        var (first, end) = processes.Part(images.Count);
        processes.Together(() => _runner.Run(end - first,
            (k, destination) => images.Prepare(first + k, network.InputFrames, preprocessing, _buffers.Value!, destination),
            (k, probabilities, _) =>
            {
                if (ImageClassifier.IndexOfMax(probabilities) == images.Label(first + k)) Interlocked.Increment(ref right);
            }, cancellation));
        return processes.Sum(right) / (double)images.Count;
    }

    public void Dispose()
    {
        _runner.Dispose();
        _buffers.Dispose();
    }
}

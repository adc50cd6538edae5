using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>Classifies all validation images. The result does not depend on the number of threads and processes.</summary>
internal sealed class Validator : IDisposable
{
    // Losses are added up as whole numbers of this unit, so that their order makes no difference; 2³¹ of the largest still fit.
    private const double LossUnit = 1.0 / (1 << 24);

    private readonly ImageSet _images;
    private readonly EvaluationPreprocessing _preprocessing;
    private readonly ClassifierNetwork _network;
    private readonly NetworkRunner _runner;
    private readonly ThreadLocal<ImageReadBuffer> _buffers = new(() => new ImageReadBuffer());
    private readonly TrainingProcesses _processes;
    private readonly int _part;
    private readonly int _partCount;
    private (long First, long FirstFive, long Loss) _sums;

    /// <summary>Allocates little: every worker gets its activations with its first images.</summary>
    /// <param name="images">The images, at least one.</param>
    /// <param name="preprocessing">How the network is evaluated.</param>
    /// <param name="network">Reads its weights as they are when it is asked.</param>
    /// <param name="provider">Makes one device a worker.</param>
    /// <param name="threads">Thread budget; 0 means one a processor.</param>
    /// <param name="processes">Those that classify together, each a part.</param>
    public Validator(
        ImageSet images, EvaluationPreprocessing preprocessing, ClassifierNetwork network, IVimDeviceProvider provider, int threads,
        TrainingProcesses processes)
    {
        (_images, _preprocessing, _network, _processes) = (images, preprocessing, network, processes);
        _runner = new NetworkRunner(network, provider, threads, preprocessing.Normalization);
        var (first, end) = processes.Part(images.Count);
        (_part, _partCount) = (first, end - first);
    }

    /// <summary>Classifies the images with the weights as they are.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ValidationScore Score(CancellationToken cancellation)
    {
        _sums = default;
        _processes.Together(() => _runner.Run(_partCount, Fill, Add, cancellation, pixels: Crop));
        double count = _images.Count;
        double top1 = _processes.Sum(_sums.First) / count, top5 = _processes.Sum(_sums.FirstFive) / count, loss = _processes.Sum(_sums.Loss) * LossUnit / count;
        return new ValidationScore(top1, _network.Classes >= 5 ? top5 : null, loss);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _buffers.Dispose();
    }

    private void Fill(int k, Span<float> destination) => _images.Prepare(_part + k, _network.InputFrames, _preprocessing, _buffers.Value!, destination);

    private void Crop(int k, Span<byte> destination) => _images.Crop(_part + k, _network.InputFrames, _preprocessing, _buffers.Value!, destination);

    private void Add(int k, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> features)
    {
        int label = _images.Label(_part + k), rank = Rank(probabilities, label);
        // A probability that rounds to 0, or is no number, counts as the smallest that there is: the mean stays one that can be compared.
        double loss = -Math.Log(probabilities[label] > 0 ? probabilities[label] : float.Epsilon);
        if (rank == 0) Interlocked.Increment(ref _sums.First);
        if (rank < 5) Interlocked.Increment(ref _sums.FirstFive);
        Interlocked.Add(ref _sums.Loss, (long)Math.Round(loss / LossUnit));
    }

    /// <summary>Number of classes before one; of equal ones the lower comes first, and one that is no number last.</summary>
    private static int Rank(ReadOnlySpan<float> probabilities, int label)
    {
        int before = 0;
        for (int i = 0; i < probabilities.Length; i++)
            if (probabilities[i] > probabilities[label] || (i < label && probabilities[i] == probabilities[label])) before++;
        return float.IsNaN(probabilities[label]) ? probabilities.Length : before;
    }
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Analysis;

/// <summary>What a merge schedule does to a network without re-training, over a set of images.</summary>
/// <param name="Schedule">Where tokens merge.</param>
/// <param name="Merging">How they merge.</param>
/// <param name="Speedup">
/// Arithmetic of the un-merged network over that of the merged one (<see cref="VimCost.Bidirectional"/>): how many times as fast, where arithmetic decides.
/// </param>
/// <param name="Top1">Share of the images whose most probable class is their label.</param>
/// <param name="Divergence">
/// Mean Kullback–Leibler divergence of the merged network's class probabilities from the un-merged one's, in nats; 0 for the un-merged network.
/// </param>
public sealed record ScheduleEvaluation(MergeSchedule Schedule, MergeOptions Merging, double Speedup, double Top1, double Divergence);

/// <summary>Runs the weights of one network under any number of merge schedules over the same images. For one thread at a time.</summary>
public sealed class ScheduleEvaluator : IDisposable
{
    private const long KeptBytes = 256L << 20;

    private readonly VimModel _model;
    private readonly int[] _labels;
    private readonly ImageSet _images;
    private readonly float[]?[] _inputs;
    private readonly ThreadLocal<ImageReadBuffer> _buffers = new(() => new ImageReadBuffer());
    private readonly float[] _reference;
    private readonly IVimDeviceProvider _provider;
    private readonly VimDevice _device;
    private readonly DeviceWeights? _weights;
    private readonly int _threads;

    /// <summary>Runs the un-merged network over the images.</summary>
    /// <param name="model">Weights, preprocessing and, unless others are given later, merge options.</param>
    /// <param name="images">
    /// With labels. Prepared inputs are kept up to 256 MiB (445 images at 224 pixels); the others are prepared at every evaluation.
    /// </param>
    /// <param name="threads">Thread budget; 0 means one a processor. It changes no result.</param>
    /// <param name="device">Where to run; null means the CPU.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">No images, a label that is not a class, or a clip for a network that takes images.</exception>
    public ScheduleEvaluator(VimModel model, ImageSet images, int threads = 0, IVimDeviceProvider? device = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0) throw new ArgumentException("There are no images to evaluate schedules on.", nameof(images));
        images.CheckLabels(model.Config.Classes, "calibration");
        images.CheckFrames(model.Config.Frames, "calibration");
        (_model, _threads, _provider) = (model, threads, device ?? CpuDeviceProvider.Instance);
        _labels = [.. Enumerable.Range(0, images.Count).Select(images.Label)];
        (_images, _inputs) = (images, new float[images.Count][]);
        DenseSchedule = MergeSchedule.Dense(model.Config);
        _device = _provider.CreateDevice();
        try
        {
            _weights = new DeviceWeights(_device, model.Weights, forTraining: false);
            _reference = Probabilities(DenseSchedule, MergeOptions.Default, cancellation);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Number of images.</summary>
    public int Images => _labels.Length;

    /// <summary>The network without merges.</summary>
    public MergeSchedule DenseSchedule { get; }

    /// <summary>Top-1 of the un-merged network on the images.</summary>
    public double DenseTop1 => Top1(_reference);

    /// <summary>Runs the network under a schedule.</summary>
    /// <param name="schedule">Made for the network.</param>
    /// <param name="merging">How tokens are chosen and combined; the model's own unless given.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">The schedule is for another network or another order.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ScheduleEvaluation Evaluate(MergeSchedule schedule, MergeOptions? merging = null, CancellationToken cancellation = default)
    {
        merging ??= _model.Merging;
        _ = _model.WithSchedule(schedule, merging); // checks that they fit each other and the network
        float[] probabilities = schedule.IsDense ? _reference : Probabilities(schedule, merging, cancellation);
        return new(schedule, merging, VimCost.Speedup(_model.Config, schedule, merging), Top1(probabilities), Divergence(probabilities));
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        _buffers.Dispose();
        _weights?.Dispose();
        _device.Dispose();
    }

    /// <summary>Prepares an input, or copies it where it was prepared before and kept.</summary>
    private void Fill(int image, Span<float> input)
    {
        if (_inputs[image] is { } kept)
        {
            kept.CopyTo(input);
            return;
        }
        _images.Prepare(image, _model.Config.Frames, _model.Preprocessing, _buffers.Value!, input);
        if ((image + 1L) * input.Length * sizeof(float) <= KeptBytes) _inputs[image] = input.ToArray();
    }

    private float[] Probabilities(MergeSchedule schedule, MergeOptions merging, CancellationToken cancellation)
    {
        int classes = _model.Config.Classes;
        var probabilities = new float[(long)_inputs.Length * classes];
        using var runner = new NetworkRunner(new VimNetwork(_weights!, schedule, merging), _provider, _threads);
        runner.Run(_inputs.Length, Fill, (i, result, _) => result.CopyTo(probabilities.AsSpan(i * classes, classes)), cancellation);
        return probabilities;
    }

    private double Top1(float[] probabilities)
    {
        int classes = _model.Config.Classes, right = 0;
        for (int i = 0; i < _labels.Length; i++)
            if (VimClassifier.IndexOfMax(probabilities.AsSpan(i * classes, classes)) == _labels[i]) right++;
        return right / (double)_labels.Length;
    }

    private double Divergence(float[] probabilities)
    {
        double sum = 0;
        for (int i = 0; i < probabilities.Length; i++)
            if (_reference[i] > 0) sum += _reference[i] * Math.Log((double)_reference[i] / Math.Max(probabilities[i], float.Epsilon));
        return sum / _labels.Length;
    }
}

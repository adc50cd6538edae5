using System.Collections.Concurrent;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Computes the gradient of a batch. The batch is cut into lanes; a worker claims a lane, runs its images in order and sums their gradients into the lane's
/// buffer, and the lanes are summed in order. So the result does not depend on the number of workers, nor on which process computes which lanes. A device that
/// takes whole batches computes a lane in one pass, and is waited for once, when losses and logits are read.
/// </summary>
internal sealed class TrainingWorkers : IDisposable
{
    private const int MaxRows = 1 << 24;

    private readonly WorkerTeam _team;
    private readonly ClassifierNetwork _student;
    private readonly ClassifierNetwork? _teacher;
    private readonly RetrainOptions _options;
    private readonly IVimDeviceProvider _provider;
    private readonly VimDevice _device;
    private readonly ConcurrentBag<TrainingWorker> _idle = [];
    private readonly ParameterBuffer[] _lanes;
    private readonly int _batchCapacity;
    private readonly int[]? _teachersClass;
    private readonly Action<int, int> _computeLane;
    private (TrainingBatch Batch, MicroBatch Plan, float[] Losses, CancellationToken Cancellation) _current;
    private int _right;

    /// <summary>Allocates the gradients of the lanes.</summary>
    /// <param name="team">Threads.</param>
    /// <param name="provider">Makes one device a thread.</param>
    /// <param name="student">Trained.</param>
    /// <param name="teacher">Distilled from, or null.</param>
    /// <param name="options">Losses.</param>
    /// <param name="lanes">The lanes that are computed here.</param>
    /// <param name="teachersClass">Where the teacher has other classes: what <see cref="PartialTeacher.Match"/> returned.</param>
    public TrainingWorkers(
        WorkerTeam team, IVimDeviceProvider provider, ClassifierNetwork student, ClassifierNetwork? teacher, RetrainOptions options, LaneRange lanes,
        int[]? teachersClass = null)
    {
        _teachersClass = teachersClass;
        (_team, _provider, _student, _teacher, _options, Lanes) = (team, provider, student, teacher, options, lanes);
        _computeLane = ComputeLane;
        _batchCapacity = BatchCapacity(provider, student.InputTokens, lanes, options.BatchSize);
        _device = provider.CreateDevice();
        var parameters = student.Weights.Parameters;
        _lanes = new ParameterBuffer[lanes.Count];
        for (int i = 0; i < _lanes.Length; i++) _lanes[i] = new ParameterBuffer(_device, parameters);
        Gradients = [.. _lanes.Select(lane => lane.Values)];
    }

    /// <summary>The lanes that are computed here.</summary>
    public LaneRange Lanes { get; }

    /// <summary>The gradient of every lane that is computed here.</summary>
    public IReadOnlyList<DeviceBuffer> Gradients { get; }

    /// <summary>Images that a worker takes at once: few on a CPU, a whole lane where a device takes whole batches.</summary>
    /// <param name="provider">Says which of the two.</param>
    /// <param name="tokens">Tokens of one input before the first merge.</param>
    /// <param name="lanes">The lanes that are computed here.</param>
    /// <param name="batchSize">Images of a step.</param>
    public static int BatchCapacity(IVimDeviceProvider provider, int tokens, LaneRange lanes, int batchSize)
    {
        int largestLane = (batchSize + lanes.Lanes - 1) / lanes.Lanes;
        // Rows are counted in an int, and no device has memory for more of them.
        return provider.TakesWholeBatches ? Math.Clamp(largestLane, 1, Math.Max(1, MaxRows / tokens)) : provider.BatchFor(tokens);
    }

    /// <summary>Runs the images of the lanes through the network and back; the gradient of every lane is in its buffer afterwards.</summary>
    /// <param name="batch">The step.</param>
    /// <param name="plan">Whether the gradients are added to those that are there, and their factor.</param>
    /// <param name="losses">[B]; written where an image is in one of the lanes.</param>
    /// <param name="cancellation">Looked at before every few images.</param>
    /// <returns>Images of the lanes that were classified rightly; a mixed image as the class of which it has more.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the weights are as they were.</exception>
    public int ComputeGradient(TrainingBatch batch, MicroBatch plan, float[] losses, CancellationToken cancellation)
    {
        (_current, _right) = ((batch, plan, losses, cancellation), 0);
        _team.Run(_lanes.Length, _computeLane);
        return _right;
    }

    private void ComputeLane(int thread, int lane)
    {
        var (batch, plan, losses, cancellation) = _current;
        var (first, end) = Lanes.ImagesOf(Lanes.First + lane, batch.Count);
        if (!plan.Accumulates) _lanes[lane].Values.Clear();
        // Rented, so that no more activations are allocated than lanes run at once, whatever the number of threads.
        if (!_idle.TryTake(out var worker)) worker = NewWorker();
        try
        {
            for (int i = first; i < end; i += _batchCapacity)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(_batchCapacity, end - i);
                worker.Fill(batch, i, count, cancellation);
                worker.Step(count, plan.GradientScale, _lanes[lane], losses.AsSpan(i, count));
                Interlocked.Add(ref _right, worker.Right(batch, i, count));
            }
        }
        finally
        {
            _idle.Add(worker);
        }
    }

    private TrainingWorker NewWorker() =>
        new(_provider.CreateDevice(), _student, _teacher, _teachersClass, _options, _batchCapacity, _lanes.Length, _provider.TakesWholeBatches);

    public void Dispose()
    {
        foreach (var lane in _lanes) lane.Dispose();
        while (_idle.TryTake(out var worker)) worker.Dispose();
        _device.Dispose();
    }
}

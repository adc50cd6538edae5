using System.Collections.Concurrent;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Computes the gradient of a batch. The batch is cut into lanes; a worker claims a lane, runs its images in order and sums their gradients into the lane's
/// buffer, and the lanes are summed in order. So the result does not depend on the number of workers, nor on which process computes which lanes.
/// </summary>
internal sealed class TrainingWorkers : IDisposable
{
    private readonly WorkerTeam _team;
    private readonly ClassifierNetwork _student;
    private readonly ClassifierNetwork? _teacher;
    private readonly RetrainOptions _options;
    private readonly IVimDeviceProvider _provider;
    private readonly VimDevice _device;
    private readonly ConcurrentBag<Worker> _idle = [];
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
        _batchCapacity = NetworkRunner.BatchFor(student.InputTokens);
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
        if (!_idle.TryTake(out var worker)) worker = new Worker(_provider.CreateDevice(), _student, _teacher, _teachersClass, _options, _batchCapacity);
        try
        {
            for (int i = first; i < end; i += _batchCapacity)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(_batchCapacity, end - i);
                worker.Fill(batch, i, count);
                worker.Step(count, plan.GradientScale, _lanes[lane], losses.AsSpan(i, count));
                Interlocked.Add(ref _right, worker.Right(batch, i, count));
            }
        }
        finally
        {
            _idle.Add(worker);
        }
    }

    public void Dispose()
    {
        foreach (var lane in _lanes) lane.Dispose();
        while (_idle.TryTake(out var worker)) worker.Dispose();
        _device.Dispose();
    }

    /// <summary>A device with the activations of student and teacher.</summary>
    private sealed class Worker(
        VimDevice device, ClassifierNetwork student, ClassifierNetwork? teacher, int[]? teachersClass, RetrainOptions options, int batchCapacity) : IDisposable
    {
        private readonly ClassifierWorkspace _student = student.CreateWorkspace(device, batchCapacity, forTraining: true, new DropPath(options.DropPath));
        private readonly ClassifierWorkspace? _teacher = teacher?.CreateWorkspace(device, batchCapacity, forTraining: false, options.DropPathOfTeacher);
        private readonly PartialTeacher? _partial = teacher is null || teachersClass is null ? null
            : new(device, teachersClass, teacher.Classes, batchCapacity);

        private readonly ImageReadBuffer _read = new();
        private readonly float[] _mixed = options.Mix.IsNone ? [] : new float[student.InputLength];
        private readonly float[] _target = new float[student.Classes];
        private readonly float[] _logits = new float[batchCapacity * student.Classes];

        /// <summary>Takes some images of a step, and sets their targets.</summary>
        public void Fill(TrainingBatch batch, int first, int count)
        {
            for (int i = 0; i < count; i++)
            {
                var input = batch.Input(first + i, _mixed, _read);
                _student.Images.Buffer.Write(input, (long)i * input.Length);
                _teacher?.Images.Buffer.Write(input, (long)i * input.Length);
                var key = new SampleKey(options.Seed, batch.Epoch, batch.Sample(first + i));
                _student.SetSampleKey(i, key);
                if (options.DropPathOfTeacher.Rate > 0) _teacher?.SetSampleKey(i, key); // else it is evaluated: nothing of it changes from epoch to epoch
                batch.FillTarget(first + i, options.LabelSmoothing, _target);
                _student.Targets.Buffer.Write(_target, (long)i * _target.Length);
            }
        }

        /// <summary>Forward, loss and backward of the images that were filled in.</summary>
        public void Step(int count, float gradientScale, ParameterBuffer gradients, Span<float> losses)
        {
            student.Forward(device, _student, count);
            teacher?.Forward(device, _teacher!, count);
            var weights = new LossWeights((float)options.TargetLossWeight, teacher is null ? 0 : (float)options.TeacherLossWeight);
            device.Loss(weights, _student.Logits.SliceRows(0, count), _student.Targets.SliceRows(0, count), TeacherLogits(count), gradientScale,
                _student.Losses.SliceRows(0, count), _student.LogitsGradient.SliceRows(0, count));
            student.Backward(device, _student, count, gradients);
            _student.Losses.Buffer.Read(losses);
        }

        private DeviceMatrix TeacherLogits(int count)
        {
            if (_teacher is null) return default;
            var logits = _teacher.Logits.SliceRows(0, count);
            return _partial is null ? logits : _partial.Complete(_student.Logits.SliceRows(0, count), logits);
        }

        /// <summary>How many of the images of the last step were classified rightly.</summary>
        public int Right(TrainingBatch batch, int first, int count)
        {
            int right = 0, classes = _target.Length;
            _student.Logits.Buffer.Read(_logits.AsSpan(0, count * classes));
            for (int i = 0; i < count; i++)
                if (ImageClassifier.IndexOfMax(_logits.AsSpan(i * classes, classes)) == batch.Label(first + i)) right++;
            return right;
        }

        public void Dispose()
        {
            _student.Dispose();
            _teacher?.Dispose();
            _partial?.Dispose();
            device.Dispose();
        }
    }
}

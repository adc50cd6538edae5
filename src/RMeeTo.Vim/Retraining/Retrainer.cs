using System.Diagnostics;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Re-trains a network with merge layers until its accuracy is back (spec 3.1), or trains one from scratch: AdamW, cosine schedule, cross-entropy with label smoothing,
/// distillation from the un-merged network, random resized crops and flips.
/// </summary>
/// <remarks>
/// Deterministic: the same model, images and options yield the same weights bit for bit whatever the number of threads, and from a run that was killed and resumed, on
/// one kind of device and vector width.
/// </remarks>
public static class Retrainer
{
    /// <summary>Runs the epochs that are asked for, or what is left of them where <see cref="RetrainOptions.CheckpointPath"/> holds an earlier state of the same run.</summary>
    /// <param name="model">Start weights and merge schedule; not changed.</param>
    /// <param name="training">Images to learn from.</param>
    /// <param name="validation">Images that decide which epoch is best, or null: then the last is.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="teacher">The network to distil from; null means <paramref name="model"/> without merges, where <see cref="RetrainOptions.TeacherLossWeight"/> is above 0.</param>
    /// <param name="cancellation">Stops within one batch; the best weights so far are returned, not lost.</param>
    /// <exception cref="ArgumentException">No training images, a label that is not a class, or a teacher with other classes.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer a number.</exception>
    /// <exception cref="InvalidDataException">The checkpoint belongs to another run.</exception>
    public static RetrainResult Run(VimModel model, ImageSet training, ImageSet? validation, RetrainOptions options, VimModel? teacher = null, CancellationToken cancellation = default)
    {
        var config = model.Weights.Config;
        if (training.Count == 0) throw new ArgumentException("There are no training images.", nameof(training));
        training.CheckLabels(config.Classes, "training");
        validation?.CheckLabels(config.Classes, "validation");
        if (options.TeacherLossWeight > 0) teacher ??= model.WithSchedule(MergeSchedule.Dense(config));
        else teacher = null;
        if (teacher is not null && teacher.Weights.Config.Classes != config.Classes)
            throw new ArgumentException($"The teacher has {teacher.Weights.Config.Classes} classes and the network {config.Classes}; distillation needs the same classes.", nameof(teacher));
        using var run = new RetrainRun(model, training, validation is { Count: > 0 } ? validation : null, options, teacher);
        return run.Execute(cancellation);
    }
}

/// <summary>One run: everything that lives as long as it does.</summary>
internal sealed class RetrainRun : IDisposable
{
    private readonly VimModel _model;
    private readonly ImageSet _training;
    private readonly ImageSet? _validation;
    private readonly RetrainOptions _options;
    private readonly RetrainState _state;
    private readonly RetrainCheckpoint? _checkpoint;
    private readonly WorkerTeam _team;
    private readonly VimDevice _owner;
    private readonly DeviceWeights _weights;
    private readonly DeviceWeights? _teacherWeights;
    private readonly ParameterBuffer _firstMoment;
    private readonly ParameterBuffer _secondMoment;
    private readonly TrainingWorkers _workers;
    private readonly NetworkRunner _runner;
    private readonly TrainingPreprocessing _preprocessing;
    private readonly LearningRateSchedule _schedule;
    private readonly int _stepsPerEpoch;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _stepsThisRun;

    public RetrainRun(VimModel model, ImageSet training, ImageSet? validation, RetrainOptions options, VimModel? teacher)
    {
        (_model, _training, _validation, _options) = (model, training, validation, options);
        _stepsPerEpoch = (training.Count + options.BatchSize - 1) / options.BatchSize;
        _schedule = new(options.LearningRate, options.MinimumLearningRate, (int)Math.Round(options.WarmupEpochs * _stepsPerEpoch), options.Epochs * _stepsPerEpoch);
        _preprocessing = new TrainingPreprocessing(model.Preprocessing)
        {
            Crop = options.MinimumCropArea < 1 ? TrainingCrop.RandomResized : TrainingCrop.Centre,
            Area = (options.MinimumCropArea, 1),
            FlipProbability = options.FlipProbability,
        };
        _state = new RetrainState(model.Weights);
        if (options.CheckpointPath is { } path)
        {
            _checkpoint = new RetrainCheckpoint(path, RunFingerprint.Of(model, training, validation, options, teacher));
            _checkpoint.TryLoad(_state);
        }

        var provider = options.Device ?? CpuDeviceProvider.Instance;
        _team = new WorkerTeam(provider.Workers(options.Threads));
        _owner = provider.CreateDevice();
        _weights = new DeviceWeights(_owner, _state.Weights, forTraining: true);
        _firstMoment = new ParameterBuffer(_owner, _weights.Parameters);
        _secondMoment = new ParameterBuffer(_owner, _weights.Parameters);
        _state.Upload(_owner, _weights, _firstMoment, _secondMoment);
        if (teacher is not null) _teacherWeights = new DeviceWeights(_owner, teacher.Weights, forTraining: false);
        var student = new VimNetwork(_weights, model.Schedule, model.Merging);
        _workers = new TrainingWorkers(_team, provider, student, teacher is null ? null : new VimNetwork(_teacherWeights!, teacher.Schedule, teacher.Merging), options);
        _runner = new NetworkRunner(student, provider, options.Threads);
    }

    public RetrainResult Execute(CancellationToken cancellation)
    {
        bool cancelled = false;
        try
        {
            if (_state.Epoch == 0 && _validation is not null)
            {
                _state.StartTop1 = Top1(cancellation);
                _state.KeepIfBest(_state.StartTop1);
                Report(0, 0, 0, _state.StartTop1, true);
            }
            while (_state.Epoch < _options.Epochs) RunEpoch(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            cancelled = true;
            if (_validation is null && _stepsThisRun > 0) // nothing was compared: the latest weights are the best there are
            {
                _weights.Download(_state.Weights);
                _state.KeepIfBest(null);
            }
        }
        return new RetrainResult(_model.WithWeights(_state.Best), _state.BestEpoch, _state.StartTop1, _state.BestTop1, _state.History, cancelled, _clock.Elapsed);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _workers.Dispose();
        _team.Dispose();
        _firstMoment.Dispose();
        _secondMoment.Dispose();
        _teacherWeights?.Dispose();
        _weights.Dispose();
        _owner.Dispose();
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        int epoch = _state.Epoch;
        var started = _clock.Elapsed;
        var order = CounterRandom.Permutation(_training.Count, _options.Seed, epoch);
        var losses = new float[_options.BatchSize];
        double lossSum = 0;
        for (int step = 0; step < _stepsPerEpoch; step++)
        {
            int first = step * _options.BatchSize, count = Math.Min(_options.BatchSize, order.Length - first);
            _workers.ComputeGradient(_training, order.AsMemory(first, count), _preprocessing, epoch, losses, cancellation);
            double rate = _schedule.At(_state.Step), loss = 0;
            for (int i = 0; i < count; i++) loss += losses[i];
            if (!double.IsFinite(loss)) throw new TrainingDivergedException(epoch + 1, step + 1, rate);
            lossSum += loss;
            _state.Step++;
            _workers.Update(new AdamWStep(_state.Step, rate, _options.Beta1, _options.Beta2, _options.Epsilon, _options.WeightDecay), _firstMoment, _secondMoment);
            _stepsThisRun++;
            Report(step + 1, lossSum / (first + count), (first + count) / (_clock.Elapsed - started).TotalSeconds, null, false);
        }
        double? top1 = _validation is null ? null : Top1(cancellation);
        _state.Download(_weights, _firstMoment, _secondMoment);
        _state.Epoch++;
        _state.KeepIfBest(top1);
        _state.History.Add(new RetrainEpoch(_state.Epoch, lossSum / order.Length, top1, (_clock.Elapsed - started).TotalSeconds));
        _checkpoint?.Save(_state);
        Report(_stepsPerEpoch, lossSum / order.Length, order.Length / (_clock.Elapsed - started).TotalSeconds, top1, true);
    }

    private double Top1(CancellationToken cancellation)
    {
        int right = 0;
        using var buffers = new ThreadLocal<ImageReadBuffer>(() => new ImageReadBuffer());
        _runner.Run(_validation!.Count,
            (k, destination) => _model.Preprocessing.Apply(_validation.Store.Read(_validation.Indices[k], buffers.Value!), destination),
            (k, probabilities, _) =>
            {
                if (VimClassifier.IndexOfMax(probabilities) == _validation.Label(k)) Interlocked.Increment(ref right);
            }, cancellation);
        return right / (double)_validation.Count;
    }

    private void Report(int step, double loss, double imagesPerSecond, double? top1, bool epochEnded)
    {
        if (_options.Progress is null) return;
        int left = _options.Epochs * _stepsPerEpoch - _state.Step;
        var remaining = _stepsThisRun == 0 ? TimeSpan.Zero : _clock.Elapsed / _stepsThisRun * left;
        _options.Progress.Report(new RetrainProgress
        {
            Epoch = epochEnded ? _state.Epoch : _state.Epoch + 1,
            Epochs = _options.Epochs,
            Step = step,
            Steps = _stepsPerEpoch,
            Loss = loss,
            LearningRate = _schedule.At(Math.Max(0, _state.Step - 1)),
            ImagesPerSecond = imagesPerSecond,
            ValidationTop1 = top1,
            EpochEnded = epochEnded,
            Elapsed = _clock.Elapsed,
            Remaining = remaining,
        });
    }
}

using System.Diagnostics;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>One run of the <see cref="Retrainer"/>: everything that lives as long as it does.</summary>
internal sealed class RetrainRun<TModel> : IDisposable where TModel : ClassifierModel
{
    private readonly Stack<IDisposable> _owned = new();
    private readonly TModel _model;
    private readonly ImageSet _training;
    private readonly ImageSet? _validation;
    private readonly RetrainOptions _options;
    private readonly RetrainState _state;
    private readonly RetrainCheckpoint? _checkpoint;
    private readonly TrainingPreprocessing _preprocessing;
    private readonly LearningRateSchedule _schedule;
    private readonly int _stepsPerEpoch;
    private readonly int _updatesPerEpoch;
    private readonly RunPace _pace;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private Optimizer _optimizer = null!;
    private TrainingWorkers _workers = null!;
    private NetworkRunner _runner = null!;
    private bool _stepped;

    public RetrainRun(TModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher)
    {
        (_model, _training, _validation, _options) = (model, training, validation, options);
        _stepsPerEpoch = (training.Count + options.BatchSize - 1) / options.BatchSize;
        _updatesPerEpoch = options.Accumulation.Groups(_stepsPerEpoch);
        _schedule = new(options.LearningRate, options.MinimumLearningRate, (int)Math.Round(options.WarmupEpochs * _updatesPerEpoch),
            checked(options.Epochs * _updatesPerEpoch));
        _preprocessing = new TrainingPreprocessing(model.Preprocessing)
        {
            Crop = options.MinimumCropArea < 1 ? TrainingCrop.RandomResized : TrainingCrop.Centre,
            Area = (options.MinimumCropArea, 1),
            FlipProbability = options.FlipProbability,
        };
        _state = new RetrainState(model.Weights);
        if (options.CheckpointPath is { } path && options.Epochs > 0)
        {
            _checkpoint = new RetrainCheckpoint(path, RunFingerprint.Of(model, training, validation, options, teacher));
            _checkpoint.TryLoad(_state);
            if (_state.Epoch < options.Epochs) _checkpoint.Begin(_state);
        }
        _pace = new RunPace(options.Epochs, _stepsPerEpoch, [.. _state.History]);
        try
        {
            Allocate(teacher);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public RetrainResult<TModel> Execute(CancellationToken cancellation)
    {
        bool cancelled = false;
        try
        {
            if (_state.Epoch == 0 && _validation is not null)
            {
                _state.StartTop1 = Top1(cancellation);
                _state.KeepIfBest(_state.StartTop1);
                Report(0, _schedule.At(0), 0, 0, _state.StartTop1, true);
            }
            while (_state.Epoch < _options.Epochs) RunEpoch(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            cancelled = true;
            if (_validation is null && _stepped) KeepLatest();
        }
        return new RetrainResult<TModel>((TModel)_model.WithValues(_state.Best), _state.BestEpoch, _state.StartTop1, _state.BestTop1, _state.History, cancelled, _clock.Elapsed);
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var owned)) owned.Dispose();
    }

    private void Allocate(ClassifierModel? teacher)
    {
        var provider = _options.Device ?? CpuDeviceProvider.Instance;
        var team = Own(new WorkerTeam(provider.Workers(_options.Threads)));
        var device = Own(provider.CreateDevice());
        var weights = Own(new DeviceWeights(device, _state.Weights, forTraining: true));
        _optimizer = Own(new Optimizer(team, provider, weights, _options));
        _optimizer.Restore(_state);
        var student = _model.CreateNetwork(weights);
        var teacherNetwork = teacher is null ? null : teacher.CreateNetwork(Own(new DeviceWeights(device, teacher.Weights, forTraining: false)));
        _workers = Own(new TrainingWorkers(team, provider, student, teacherNetwork, _options));
        _runner = Own(new NetworkRunner(student, provider, _options.Threads));
    }

    private T Own<T>(T owned) where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        int epoch = _state.Epoch;
        var started = _clock.Elapsed;
        var order = CounterRandom.Permutation(_training.Count, _options.Seed, epoch);
        var losses = new float[Math.Min(_options.BatchSize, order.Length)];
        double lossSum = 0, rate = 0;
        for (int step = 0; step < _stepsPerEpoch; step++)
        {
            var stepStarted = _clock.Elapsed;
            int first = step * _options.BatchSize, count = Math.Min(_options.BatchSize, order.Length - first);
            var plan = _options.Accumulation.At(_state.Step, step, _options.BatchSize, order.Length);
            _workers.ComputeGradient(_training, order.AsMemory(first, count), _preprocessing, epoch, plan, losses, cancellation);
            rate = _schedule.At(epoch * _updatesPerEpoch + step / _options.Accumulation.MicroBatches);
            double loss = 0;
            for (int i = 0; i < count; i++) loss += losses[i];
            if (!double.IsFinite(loss)) throw new TrainingDivergedException("The training loss is no longer a finite number", epoch + 1, step + 1, rate);
            lossSum += loss;
            _state.Step++;
            _stepped = true;
            _optimizer.Step(_workers.Gradients, plan, rate);
            _pace.AddStep(_clock.Elapsed - stepStarted);
            Report(step + 1, rate, lossSum / (first + count), (first + count) / (_clock.Elapsed - started).TotalSeconds, null, false);
        }
        double imagesPerSecond = order.Length / (_clock.Elapsed - started).TotalSeconds;
        _optimizer.Save(_state);
        // The last step of an epoch has no loss after it: without this look a checkpoint, and the best weights, could be broken ones.
        if (!_state.IsFinite) throw new TrainingDivergedException("A weight or a moment of the optimizer is no longer a finite number", epoch + 1, _stepsPerEpoch, rate);
        double? top1 = _validation is null ? null : Top1(cancellation);
        _state.Epoch++;
        _state.KeepIfBest(top1);
        _state.History.Add(new RetrainEpoch(_state.Epoch, lossSum / order.Length, top1, (_clock.Elapsed - started).TotalSeconds));
        _checkpoint?.Save(_state);
        Report(_stepsPerEpoch, rate, lossSum / order.Length, imagesPerSecond, top1, true);
    }

    /// <summary>Cancelled, and nothing was compared: the latest weights are the best there are.</summary>
    private void KeepLatest()
    {
        _optimizer.Save(_state);
        if (_state.IsFinite) _state.KeepIfBest(null);
    }

    private double Top1(CancellationToken cancellation)
    {
        var started = _clock.Elapsed;
        int right = 0;
        using var buffers = new ThreadLocal<ImageReadBuffer>(() => new ImageReadBuffer());
        _runner.Run(_validation!.Count,
            (k, destination) => _validation.Prepare(k, _model.InputFrames, _model.Preprocessing, buffers.Value!, destination),
            (k, probabilities, _) =>
            {
                if (ImageClassifier.IndexOfMax(probabilities) == _validation.Label(k)) Interlocked.Increment(ref right);
            }, cancellation);
        _pace.AddValidation(_clock.Elapsed - started);
        return right / (double)_validation.Count;
    }

    private void Report(int step, double rate, double loss, double imagesPerSecond, double? top1, bool epochEnded) => _options.Progress?.Report(new RetrainProgress
    {
        Epoch = epochEnded ? _state.Epoch : _state.Epoch + 1,
        Epochs = _options.Epochs,
        Step = step,
        Steps = _stepsPerEpoch,
        Loss = loss,
        LearningRate = rate,
        ImagesPerSecond = imagesPerSecond,
        ValidationTop1 = top1,
        EpochEnded = epochEnded,
        Elapsed = _clock.Elapsed,
        Remaining = _pace.Remaining(_state.Step, _state.Epoch),
    });
}

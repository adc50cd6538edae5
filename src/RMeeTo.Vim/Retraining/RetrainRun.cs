using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>One run of the <see cref="Retrainer"/>: everything that lives as long as it does, and the order in which it happens.</summary>
internal sealed class RetrainRun<TModel> : IDisposable where TModel : ClassifierModel
{
    private readonly Stack<IDisposable> _owned = new();
    private readonly TModel _model;
    private readonly RetrainOptions _options;
    private readonly TrainingProcesses _processes;
    private readonly RetrainState _state;
    private RetrainCheckpoint? _checkpoint;
    private readonly int _stepsPerEpoch;
    private readonly RunReporter _reporter;
    private Optimizer _optimizer = null!;
    private EpochLoop _loop = null!;
    private Validator? _validator;
    private bool _stepped;

    public RetrainRun(
        TModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher, TrainingProcesses processes)
    {
        (_model, _options, _processes) = (model, processes.Own(options), processes);
        _stepsPerEpoch = options.EpochsOf(training.Count).Steps;
        _state = new RetrainState(model.Weights, options.Ema is { } ema ? (ema.Start ?? model).Weights : null);
        if (options.CheckpointPath is not null || !processes.IsAlone) Resume(training, validation, teacher);
        _reporter = new RunReporter(_state, _options, _stepsPerEpoch);
        try
        {
            processes.Together(() => Allocate(training, validation, teacher));
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
            if (_state.Epoch == 0 && _validator is not null)
            {
                _state.StartTop1 = Validate(cancellation);
                _state.KeepIfBest(_state.StartTop1);
                _reporter.Started(_loop.Schedule.At(0));
            }
            while (_state.Epoch < _options.Epochs) RunEpoch(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested || _processes.Cancelled)
        {
            cancelled = true;
            if (_validator is null && _stepped) KeepLatest();
        }
        return new RetrainResult<TModel>(
            (TModel)_model.WithValues(_state.Best), _state.BestEpoch, _state.StartTop1, _state.BestTop1, _state.History, cancelled, _reporter.Elapsed);
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var owned)) owned.Dispose();
    }

    /// <summary>Checks that all processes belong to one run, and takes its state from the checkpoint of the first.</summary>
    private void Resume(ImageSet training, ImageSet? validation, ClassifierModel? teacher)
    {
        RunFingerprint? fingerprint = null;
        _processes.Together(() => fingerprint = RunFingerprint.Of(_model, training, validation, _options, teacher));
        _processes.CheckAlike(fingerprint!, _options.Device ?? CpuDeviceProvider.Instance);
        _processes.Together(() =>
        {
            if (_options.CheckpointPath is not { } path || _options.Epochs == 0) return;
            _checkpoint = new RetrainCheckpoint(path, fingerprint!);
            _checkpoint.TryLoad(_state);
            if (_state.Epoch < _options.Epochs) _checkpoint.Begin(_state);
        });
        _processes.Share(_state);
        _processes.Advise(_options.CheckpointPath, _state);
    }

    private void Allocate(ImageSet training, ImageSet? validation, ClassifierModel? teacher)
    {
        var provider = _options.Device ?? CpuDeviceProvider.Instance;
        var team = Own(new WorkerTeam(provider.Workers(_options.Threads)));
        var device = Own(provider.CreateDevice());
        var weights = Own(new DeviceWeights(device, _state.Weights, forTraining: true));
        _optimizer = Own(new Optimizer(team, provider, weights, _options, _state));
        var student = _model.CreateNetwork(weights);
        var teacherNetwork = teacher is null ? null : teacher.CreateNetwork(Own(new DeviceWeights(device, teacher.Weights, forTraining: false)));
        int[]? teachersClass = teacher is null ? null : PartialTeacher.Match(_model.ClassNames, teacher.ClassNames);
        var lanes = _processes.LanesOf(_options.LanesFor(weights.Parameters.BufferLength * sizeof(float)));
        var workers = Own(new TrainingWorkers(team, provider, student, teacherNetwork, _options, lanes, teachersClass));
        var evaluated = _model.CreateNetwork(_optimizer.Evaluated);
        if (validation is not null) _validator = Own(new Validator(validation, _model.Preprocessing, evaluated, provider, _options.Threads, _processes));
        var images = new TrainingImages(training, Preprocessing(), _model.InputFrames, _options);
        int loaders = _options.LoaderThreads > 0 ? _options.LoaderThreads : TrainingFeed.LoadersFor(_options.Threads, team.Workers);
        var feed = Own(new TrainingFeed(images, _options, lanes, loaders, firstStep: _state.Step));
        var sum = _processes.SumOf(team, provider, workers.Gradients);
        if (sum is not null) Own(sum);
        _loop = new EpochLoop(_state, feed, workers, _optimizer, _options, _processes, sum);
    }

    private TrainingPreprocessing Preprocessing() => new(_model.Preprocessing)
    {
        Crop = _options.MinimumCropArea < 1 ? TrainingCrop.RandomResized : TrainingCrop.Centre,
        Area = (_options.MinimumCropArea, 1),
        FlipProbability = _options.FlipProbability,
        Policy = _options.RandAugment,
        Erasing = _options.RandomErasing > 0 ? new RandomErasing { Probability = _options.RandomErasing } : null,
    };

    private T Own<T>(T owned) where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        _state.BeginEpoch();
        _reporter.EpochBegins();
        _loop.Run(Stepped, cancellation);
        _processes.Together(Collect);
        double? top1 = _validator is null ? null : Validate(cancellation);
        _state.EndEpoch(top1, _reporter.EpochSeconds);
        _processes.CheckSame(_state);
        _processes.Together(() => _checkpoint?.Save(_state));
        _processes.Advise(_options.CheckpointPath, _state);
        _reporter.EpochEnded(_loop.LearningRate, top1);
    }

    private void Collect()
    {
        _optimizer.Save(_state);
        // The last step of an epoch has no loss after it: without this look a checkpoint, and the best weights, could be broken ones.
        if (!_state.IsFinite)
            throw new TrainingDivergedException("A weight or a moment of the optimizer is no longer a finite number", _state.Epoch + 1, _stepsPerEpoch, _loop.LearningRate);
    }

    private void Stepped()
    {
        _stepped = true;
        _reporter.Stepped(_loop.LearningRate);
    }

    /// <summary>Cancelled, and nothing was compared: the latest weights are the best there are.</summary>
    private void KeepLatest()
    {
        _optimizer.Save(_state);
        if (_state.IsFinite) _state.KeepIfBest(null);
    }

    private double Validate(CancellationToken cancellation)
    {
        var started = _reporter.Elapsed;
        _optimizer.PrepareEvaluation();
        double top1 = _validator!.Top1(cancellation);
        _reporter.Validated(_reporter.Elapsed - started);
        return top1;
    }
}

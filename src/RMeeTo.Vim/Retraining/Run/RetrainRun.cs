using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
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
    private readonly RunClock _clock;
    private readonly RunPace _pace;
    private readonly RunReporter _reporter;
    private readonly TimePlanner? _planner;
    private RetrainCheckpoint? _checkpoint;
    private RunFingerprint? _fingerprint;
    private RetrainLog? _log;
    private Optimizer _optimizer = null!;
    private EpochLoop _loop = null!;
    private StateKeeper _keeper = null!;
    private Validator? _validator;
    private bool _saves;

    /// <summary>Allocates all that the run needs, and takes its state from the checkpoint where there is one.</summary>
    /// <param name="model">Start weights and merge schedule.</param>
    /// <param name="training">Images to learn from, at least one.</param>
    /// <param name="validation">Images that decide which epoch is best; null where the last is.</param>
    /// <param name="options">The recipe, checked.</param>
    /// <param name="teacher">Distilled from; null where nothing is.</param>
    /// <param name="processes">Those that train together.</param>
    public RetrainRun(
        TModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher, TrainingProcesses processes)
    {
        (_model, _options, _processes, _clock) = (model, processes.Own(options), processes, new RunClock(options.Clock));
        var epochs = options.EpochsOf(training.Count);
        var plan = StepPlan.Whole((long)epochs.Steps * options.Epochs);
        _state = new RetrainState(model.Weights, options.Ema is { } ema ? (ema.Start ?? model).Weights : null) { Plan = plan };
        if (options.CheckpointPath is not null || !processes.IsAlone) Resume(training, validation, teacher);
        _pace = new RunPace(epochs.Steps, _state.History.LastOrDefault()?.Seconds, _state.EpochEndSeconds);
        if (options.TimeBudget is { } budget) _planner = new TimePlanner(budget, _state, _clock, _pace, epochs, options.Accumulation.MicroBatches);
        try
        {
            processes.Together(() => OpenLog(training, validation, teacher));
            _reporter = new RunReporter(_state, _log ?? _options.Progress, _clock, _pace, epochs.Steps);
            processes.Together(() => Allocate(training, validation, teacher));
        }
        catch (Exception e)
        {
            _log?.Fail(e);
            Dispose();
            throw;
        }
    }

    private IVimDeviceProvider Provider => _options.Device ?? CpuDeviceProvider.Instance;

    private int LanesInEffect => _options.LanesOn(Provider, _model.Weights.Parameters.BufferLength * sizeof(float), _processes.Count);

    /// <summary>Why the run ends where it stands; null where it goes on.</summary>
    private RetrainEnding? Ending
    {
        get
        {
            if (_state.Sums.Steps > 0) return null; // what was begun is validated
            if (_state.Step == _state.Plan.Full) return RetrainEnding.Completed;
            if (_state.Epoch - _state.BestEpoch >= _options.Patience) return RetrainEnding.NoBetter;
            return _state.Step < _state.Plan.End ? null : RetrainEnding.OutOfTime;
        }
    }

    /// <summary>Runs the epochs that are left.</summary>
    /// <param name="cancellation">Ends the run with the best weights so far.</param>
    /// <inheritdoc cref="Retrainer.Run" path="/exception"/>
    public RetrainResult<TModel> Execute(CancellationToken cancellation)
    {
        RetrainEnding? ending = null;
        try
        {
            Start(cancellation);
            for (ending = Ending; ending is null; ending = Ending) RunEpoch(cancellation);
        }
        catch (OperationCanceledException e) when (cancellation.IsCancellationRequested || _processes.Cancelled)
        {
            _processes.Cancel(e);
            ending = RetrainEnding.Cancelled;
            // Nothing was compared: the latest weights are the best there are.
            if (_state.Step > 0 && _keeper.Cancelled() && _validator is null) _state.KeepIfBest(null);
        }
        catch (Exception e)
        {
            _log?.Fail(e);
            throw;
        }
        _log?.End(ending.Value, _state.BestEpoch, _state.BestScore?.Top1);
        var model = (TModel)_model.WithValues(_state.Best);
        return new RetrainResult<TModel>(
            model, _state.BestEpoch, _state.StartScore?.Top1, _state.BestScore?.Top1, _state.History, ending.Value, _clock.Elapsed);
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var owned)) owned.Dispose();
    }

    /// <summary>Checks that all processes belong to one run, and takes its state from the checkpoint of the first.</summary>
    private void Resume(ImageSet training, ImageSet? validation, ClassifierModel? teacher)
    {
        _processes.Together(() => _fingerprint = RunFingerprint.Of(_model, training, validation, _options, teacher));
        _processes.CheckAlike(_fingerprint!, Provider);
        _processes.Together(() =>
        {
            if (_options.CheckpointPath is not { } path || _options.Epochs == 0) return;
            _checkpoint = new RetrainCheckpoint(path, _fingerprint!);
            _checkpoint.TryLoad(_state);
            if (Ending is null) _checkpoint.Begin(_state);
        });
        _processes.Share(_state);
        _processes.Advise(_options.CheckpointPath, _state);
        _clock.Resume(_state.Used);
    }

    private void OpenLog(ImageSet training, ImageSet? validation, ClassifierModel? teacher)
    {
        if (_options.LogPath is not { } path) return;
        _log = Own(new RetrainLog(path, _options.Progress, _options.Clock));
        _fingerprint ??= RunFingerprint.Of(_model, training, validation, _options, teacher);
        var settings = new Dictionary<string, string>(_fingerprint.Entries) { ["device"] = Provider.Name, [nameof(RetrainOptions.Lanes)] = $"{LanesInEffect}" };
        _log.Begin(settings, _state.Epoch, _state.Step);
    }

    private void Allocate(ImageSet training, ImageSet? validation, ClassifierModel? teacher)
    {
        var provider = Provider;
        var team = Own(new WorkerTeam(provider.Workers(_options.Threads)));
        var device = Own(provider.CreateDevice());
        var weights = Own(new DeviceWeights(device, _state.Weights, forTraining: true));
        _optimizer = Own(new Optimizer(team, provider, weights, _options, _state));
        var student = _model.CreateNetwork(weights);
        var teacherNetwork = teacher is null ? null : teacher.CreateNetwork(Own(new DeviceWeights(device, teacher.Weights, forTraining: false)));
        int[]? teachersClass = teacher is null ? null : PartialTeacher.Match(_model.ClassNames, teacher.ClassNames);
        var lanes = _processes.LanesOf(LanesInEffect);
        var workers = Own(new TrainingWorkers(team, provider, student, teacherNetwork, _options, lanes, teachersClass));
        var evaluated = _model.CreateNetwork(_optimizer.Evaluated);
        if (validation is not null) _validator = Own(new Validator(validation, _model.Preprocessing, evaluated, provider, _options.Threads, _processes));
        var images = new TrainingImages(training, _options.PreprocessingOf(_model.Preprocessing), _model.InputFrames, _options);
        int loaders = _options.LoaderThreads > 0 ? _options.LoaderThreads : TrainingFeed.LoadersFor(_options.Threads, team.Workers);
        var feed = Own(new TrainingFeed(images, _options, lanes, loaders, firstStep: _state.Step, provider.TakesWholeBatches ? device : null));
        var sum = _processes.SumOf(team, provider, workers.Gradients);
        if (sum is not null) Own(sum);
        _loop = new EpochLoop(_state, feed, workers, _optimizer, _options, _processes, sum);
        _keeper = new StateKeeper(_state, _optimizer, _checkpoint, _clock, _options.CheckpointInterval);
    }

    private T Own<T>(T owned) where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    /// <summary>Validates what the run begins with.</summary>
    private void Start(CancellationToken cancellation)
    {
        bool validates = _state.Step == 0 && _validator is not null;
        var started = _clock.Elapsed;
        if (validates)
        {
            _state.StartScore = Validate(cancellation);
            _state.KeepIfBest(_state.StartScore);
            _pace.ExpectAtEpochEnd(_clock.Elapsed - started);
            _state.EpochEndSeconds = _pace.EpochEnd;
        }
        _state.EpochBegan = _state.Step == 0 ? _clock.Used : _state.EpochBegan;
        Plan(now: true);
        if (validates) _reporter.Started(_loop.Schedule.At(0));
    }

    private void RunEpoch(CancellationToken cancellation)
    {
        _reporter.EpochBegins();
        _loop.Run(Decide, Stepped, cancellation);
        _processes.Together(_keeper.Update);
        ValidationScore? score = _validator is null ? null : Validate(cancellation);
        _state.EndEpoch(score, _clock.Used);
        _reporter.EpochEnds(_keeper.Duration);
        Plan(now: true);
        _processes.CheckSame(_state);
        Save();
        _reporter.EpochEnded(score, isLast: Ending is not null);
    }

    /// <summary>What goes by the clock is decided by the first process.</summary>
    private void Decide(MicroBatch batch)
    {
        Plan(now: false);
        _keeper.Stepped(batch);
        _saves = _processes.Decided(_keeper.IsDue(batch));
    }

    private void Stepped()
    {
        if (_saves)
        {
            _processes.Together(_keeper.Update);
            Save();
        }
        _reporter.Stepped(_loop.Loss);
    }

    private void Plan(bool now)
    {
        if (_planner is null) return;
        if (_processes.IsFirst) _planner.Look(now);
        _state.Plan = _processes.Decided(_state.Plan);
    }

    private void Save()
    {
        _processes.Together(_keeper.Save);
        _processes.Advise(_options.CheckpointPath, _state);
    }

    private ValidationScore Validate(CancellationToken cancellation)
    {
        _optimizer.PrepareEvaluation();
        return _validator!.Score(cancellation);
    }
}

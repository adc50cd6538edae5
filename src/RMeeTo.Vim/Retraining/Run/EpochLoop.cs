using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>The steps of an epoch: take a prepared batch, compute the gradient of its lanes, let the optimizer step.</summary>
internal sealed class EpochLoop
{
    private readonly RetrainState _state;
    private readonly TrainingFeed _feed;
    private readonly TrainingWorkers _workers;
    private readonly Optimizer _optimizer;
    private readonly RetrainOptions _options;
    private readonly TrainingProcesses _processes;
    private readonly OrderedSum? _sum;
    private readonly Action _compute;
    private readonly float[] _losses;
    private readonly int _updatesPerEpoch;
    private (TrainingBatch Batch, MicroBatch Plan, CancellationToken Cancellation) _current;
    private int _right;

    /// <summary>Takes no step yet.</summary>
    /// <param name="state">Where the run stands; the loop begins there.</param>
    /// <param name="feed">Prepared batches.</param>
    /// <param name="workers">Compute gradients.</param>
    /// <param name="optimizer">Changes the weights.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="processes">Those that compute the other lanes.</param>
    /// <param name="sum">Sums the gradients of all processes; null where this one is alone.</param>
    public EpochLoop(
        RetrainState state, TrainingFeed feed, TrainingWorkers workers, Optimizer optimizer, RetrainOptions options, TrainingProcesses processes,
        OrderedSum? sum)
    {
        (_state, _feed, _workers, _optimizer, _options) = (state, feed, workers, optimizer, options);
        (_processes, _sum, _compute) = (processes, sum, Compute);
        _losses = new float[Math.Min(feed.Plan.BatchSize, feed.Plan.Samples)];
        _updatesPerEpoch = options.Accumulation.Groups(feed.Plan.Steps);
        Schedule = LearningRateSchedule.Of(options, _updatesPerEpoch);
    }

    /// <summary>Learning rates, by steps of the optimizer.</summary>
    public LearningRateSchedule Schedule { get; }

    /// <summary>Mean loss of the images of the last step.</summary>
    public double Loss { get; private set; }

    /// <summary>Takes the steps that are left of the epoch, or of the run where that ends inside it.</summary>
    /// <param name="decide">Called after every step's gradient and before its update, when processes may speak with each other.</param>
    /// <param name="stepped">Called after every step.</param>
    /// <param name="cancellation">Looked at before every few images; the step under way is then not taken.</param>
    /// <exception cref="OperationCanceledException">Cancelled; state and weights are those after the last whole step.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite.</exception>
    public void Run(Action<MicroBatch> decide, Action stepped, CancellationToken cancellation)
    {
        while (_state.Sums.Steps < _feed.Plan.Steps && _state.Step < _state.Plan.End)
        {
            Step(decide, cancellation);
            stepped();
        }
    }

    private void Step(Action<MicroBatch> decide, CancellationToken cancellation)
    {
        var batch = _feed.Take();
        var plan = _options.Accumulation.At(_state.Step, _state.Sums.Steps, _feed.Plan.BatchSize, _feed.Plan.Samples);
        _current = (batch, plan, cancellation);
        _processes.Together(_compute);
        _processes.ShareLosses(_losses, batch.Count, _workers.Lanes.Lanes);
        int right = (int)_processes.Sum(_right);
        double loss = 0;
        for (int i = 0; i < batch.Count; i++) loss += _losses[i];
        _state.LearningRate = LearningRate(_state.Plan.Place(_state.Step));
        if (!double.IsFinite(loss))
            throw new TrainingDivergedException("The training loss is no longer a finite number", _state.Epoch + 1, _state.Sums.Steps + 1, _state.LearningRate);
        (_state.Step, _state.Sums, Loss) = (_state.Step + 1, _state.Sums.Plus(batch.Count, right, loss), loss / batch.Count);
        _feed.Return();
        decide(plan);
        if (plan.Updates > 0) _sum?.Run(goesOn: !plan.EndsGroup);
        _optimizer.Step(_sum?.Result ?? _workers.Gradients, plan, _state.LearningRate);
    }

    private void Compute() => _right = _workers.ComputeGradient(_current.Batch, _current.Plan, _losses, _current.Cancellation);

    /// <summary>The schedule counts steps of the optimizer, of which the last of an epoch may have fewer batches.</summary>
    private double LearningRate(long place)
    {
        var (epoch, step) = Math.DivRem(place, _feed.Plan.Steps);
        return Schedule.At((int)(epoch * _updatesPerEpoch + step / _options.Accumulation.MicroBatches));
    }
}

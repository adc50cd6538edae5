using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// AdamW over the flat parameter buffer: sums the lanes' gradients, steps every <see cref="ParameterGroup"/> at its own learning rate and weight decay, and
/// makes the packed weights anew; keeps the moving average of the weights where one is asked for. Owns moments and average.
/// </summary>
/// <remarks>
/// The result depends neither on the number of threads nor on where ranges are cut: not at all on a device that takes whole batches. A step allocates nothing.
/// </remarks>
internal sealed class Optimizer : IDisposable
{
    private const int RangeLength = 1 << 16;

    private readonly WorkerTeam _team;
    private readonly VimDevice[] _devices;
    private readonly DeviceWeights _weights;
    private readonly RetrainOptions _options;
    private readonly ParameterBuffer _firstMoment;
    private readonly ParameterBuffer _secondMoment;
    private readonly DeviceWeights? _average;
    private readonly ParameterGroup[] _ranges;
    private readonly Action<int, int> _updateRange;
    private readonly Action<int, int> _refresh;
    private readonly Action<int, int> _refreshAverage;
    private readonly Action<int, int> _clear;

    // What the workers are at.
    private IReadOnlyList<DeviceBuffer> _lanes = [];
    private MicroBatch _batch;
    private double _rate;

    /// <summary>Allocates the moments and a device a thread, and takes weights, moments, average and the count of steps from a state.</summary>
    /// <param name="team">Threads.</param>
    /// <param name="provider">Makes one device a thread.</param>
    /// <param name="weights">Trained.</param>
    /// <param name="options">AdamW's settings, the parameter groups and the moving average.</param>
    /// <param name="state">Where the run stands.</param>
    public Optimizer(WorkerTeam team, IVimDeviceProvider provider, DeviceWeights weights, RetrainOptions options, RetrainState state)
    {
        (_team, _weights, _options) = (team, weights, options);
        _devices = new VimDevice[team.Workers];
        for (int i = 0; i < _devices.Length; i++) _devices[i] = provider.CreateDevice();
        (_firstMoment, _secondMoment) = (new ParameterBuffer(_devices[0], weights.Parameters), new ParameterBuffer(_devices[0], weights.Parameters));
        long longest = provider.TakesWholeBatches ? long.MaxValue : RangeLength;
        _ranges = [.. ParameterGroup.Of(weights.Parameters, options).SelectMany(group => Cut(group, longest))];
        (_updateRange, _refresh, _refreshAverage, _clear) = (UpdateRange, Refresh, RefreshAverage, Clear);
        _weights.Upload(_devices[0], state.Weights);
        _firstMoment.Values.Write(state.FirstMoment);
        _secondMoment.Values.Write(state.SecondMoment);
        if (state.Average is { } average) _average = new DeviceWeights(_devices[0], average, forTraining: false);
        Updates = state.Updates;
    }

    /// <summary>Steps of AdamW so far: what its bias correction counts.</summary>
    public int Updates { get; private set; }

    /// <summary>The weights to validate: the average where there is one, else those that are trained.</summary>
    public DeviceWeights Evaluated => _average ?? _weights;

    /// <summary>Takes the steps that are due after a micro-batch; none while gradients are only added up.</summary>
    /// <param name="lanes">Gradients of the lanes. Their sum is left in the first.</param>
    /// <param name="batch">What is due.</param>
    /// <param name="learningRate">Of a parameter with factor 1.</param>
    public void Step(IReadOnlyList<DeviceBuffer> lanes, MicroBatch batch, double learningRate)
    {
        if (batch.Updates == 0) return;
        (_lanes, _batch, _rate) = (lanes, batch, learningRate);
        _team.Run(_ranges.Length, _updateRange);
        _team.Run(_weights.Linear.Count, _refresh);
        // Where more is added, the first lane has it all.
        if (!batch.EndsGroup) _team.Run(lanes.Count - 1, _clear);
        Updates += batch.Updates;
    }

    /// <summary>Makes the packed form of <see cref="Evaluated"/> anew; due before a validation.</summary>
    public void PrepareEvaluation()
    {
        if (_average is not null) _team.Run(_average.Linear.Count, _refreshAverage);
    }

    /// <summary>Copies weights, moments, average and the count of steps to a state.</summary>
    public void Save(RetrainState state)
    {
        _weights.Download(state.Weights);
        _firstMoment.Values.Read(state.FirstMoment);
        _secondMoment.Values.Read(state.SecondMoment);
        if (state.Average is { } average) _average!.Download(average);
        state.Updates = Updates;
    }

    /// <summary>Frees moments, average and devices.</summary>
    public void Dispose()
    {
        _average?.Dispose();
        _firstMoment.Dispose();
        _secondMoment.Dispose();
        foreach (var device in _devices) device.Dispose();
    }

    private void UpdateRange(int worker, int item)
    {
        var (offset, count, factor, decay) = _ranges[item];
        var device = _devices[worker];
        if (_lanes.Count > 1) device.SumBuffers(_lanes[0], _lanes, offset, count);
        for (int i = 1; i <= _batch.Updates; i++)
        {
            var step = new AdamWStep(Updates + i, _rate * factor, _options.Beta1, _options.Beta2, _options.Epsilon, decay)
            {
                GradientScale = _batch.UpdateScale,
            };
            device.AdamW(step, _weights.Values, _lanes[0], _firstMoment.Values, _secondMoment.Values, offset, count);
        }
        if (_average is not null && _batch.MovesAverage) device.MovingAverage(_options.Ema!.Decay, _average.Values, _weights.Values, offset, count);
    }

    private void Refresh(int worker, int item) => _devices[worker].Refresh(_weights.Linear[item]);

    private void RefreshAverage(int worker, int item) => _devices[worker].Refresh(_average!.Linear[item]);

    private void Clear(int worker, int item) => _lanes[item + 1].Clear();

    /// <summary>Parts that one worker updates at a time: small enough to stay in its cache from the sum to the last step.</summary>
    private static IEnumerable<ParameterGroup> Cut(ParameterGroup group, long longest)
    {
        for (long done = 0, count; done < group.Count; done += count)
        {
            count = Math.Min(longest, group.Count - done);
            yield return group with { Offset = group.Offset + done, Count = count };
        }
    }
}

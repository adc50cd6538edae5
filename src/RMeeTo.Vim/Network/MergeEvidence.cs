using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// What a merge is decided by beside the hidden state, gathered while the mixer of the block before runs: its B, C or Δ of both directions as a metric, and the
/// mean Δ as an importance. No gradient goes through it.
/// </summary>
/// <remarks>Spec 1.2 and 2.2. With f and g the values of forward and backward direction, s = ½ where <see cref="VimConfig.AverageDirections"/>, else 1:
/// metric[t, c] = s·(f[t, c] + g[t, c]); for <see cref="MetricAlignment.Reference"/> s·(f[t, c] + g[L−1−t, n−1−c]).</remarks>
internal sealed class MergeEvidence
{
    private readonly VimConfig _config;
    private readonly MergeOptions _options;

    /// <summary>Allocates what the options ask for.</summary>
    /// <param name="matrix">Allocates.</param>
    /// <param name="config">Sizes.</param>
    /// <param name="options">What is gathered.</param>
    /// <param name="rows">B·L of the largest batch.</param>
    public MergeEvidence(Func<int, int, DeviceMatrix> matrix, VimConfig config, MergeOptions options, int rows)
    {
        (_config, _options) = (config, options);
        if (options.Metric != MergeMetric.HiddenState) Metric = matrix(rows, options.Metric == MergeMetric.Delta ? config.InnerWidth : config.StateSize);
        if (options.Importance != MergeImportance.None) Importance = matrix(rows, 1);
    }

    /// <summary>[M, N], or [M, D] of Δ; none where the hidden state is the metric.</summary>
    public DeviceMatrix Metric { get; }

    /// <summary>[M, 1]; none where nothing asks for it.</summary>
    public DeviceMatrix Importance { get; }

    /// <summary>Adds what one direction computed; the forward direction comes first.</summary>
    /// <param name="device">The caller's.</param>
    /// <param name="direction">Its values, before the other direction takes their place.</param>
    /// <param name="deltaBias">[1, D]</param>
    /// <param name="batch">B.</param>
    /// <param name="length">L.</param>
    /// <param name="reverse">The backward direction.</param>
    public void Add(VimDevice device, DirectionActivations direction, DeviceMatrix deltaBias, int batch, int length, bool reverse)
    {
        int rows = batch * length;
        if (!Importance.IsNone) device.AddMeanDelta(direction.DeltaRaw.SliceRows(0, rows), deltaBias, 0.5f, Importance.SliceRows(0, rows), accumulate: reverse);
        if (Metric.IsNone) return;
        var (r, n) = (_config.TimeStepRank, _config.StateSize);
        var values = _options.Metric switch
        {
            MergeMetric.B => direction.Projected.SliceColumns(r, n),
            MergeMetric.C => direction.Projected.SliceColumns(r + n, n),
            _ => direction.DeltaRaw,
        };
        var placement = reverse && _options.MetricAlignment == MetricAlignment.Reference ? MetricPlacement.Turned : MetricPlacement.Straight;
        device.AddMetric(batch, values.SliceRows(0, rows), _config.AverageDirections ? 0.5f : 1f, placement, Metric.SliceRows(0, rows), accumulate: reverse);
    }
}

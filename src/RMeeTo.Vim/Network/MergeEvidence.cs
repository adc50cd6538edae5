using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// What a merge compares tokens by where that is not the hidden state, gathered while the mixer of the block before runs: its B, C or Δ of both directions. No
/// gradient goes through it.
/// </summary>
/// <remarks>Spec 1.2 and 2.2. With f and g the values of forward and backward direction, s = ½ where <see cref="VimConfig.AverageDirections"/>, else 1:
/// metric[t, c] = s·(f[t, c] + g[t, c]); for <see cref="MetricAlignment.Reference"/> s·(f[t, c] + g[L−1−t, n−1−c]).</remarks>
internal sealed class MergeEvidence
{
    private readonly VimConfig _config;
    private readonly MergeOptions _options;

    /// <summary>Allocates the metric.</summary>
    /// <param name="matrix">Allocates.</param>
    /// <param name="config">Sizes.</param>
    /// <param name="options">What is gathered; any metric but <see cref="MergeMetric.HiddenState"/>.</param>
    /// <param name="rows">B·L of the largest batch.</param>
    public MergeEvidence(Func<int, int, DeviceMatrix> matrix, VimConfig config, MergeOptions options, int rows)
    {
        (_config, _options) = (config, options);
        Metric = matrix(rows, options.Metric == MergeMetric.Delta ? config.InnerWidth : config.StateSize);
    }

    /// <summary>[M, N], or [M, D] of Δ.</summary>
    public DeviceMatrix Metric { get; }

    /// <summary>Adds what one direction computed; the forward direction comes first.</summary>
    /// <param name="device">The caller's.</param>
    /// <param name="direction">Its values, before the other direction takes their place.</param>
    /// <param name="batch">B.</param>
    /// <param name="length">L.</param>
    /// <param name="reverse">The backward direction.</param>
    public void Add(VimDevice device, DirectionActivations direction, int batch, int length, bool reverse)
    {
        int rows = batch * length;
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

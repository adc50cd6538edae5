using System.Text.Json;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>
/// One recorded selective scan. Recorded tensors are [B, D, L]; B and C may come in groups, [B, G, N, L], each serving D/G channels: the device then scans group by
/// group, on slices of columns.
/// </summary>
internal sealed class GoldenScan
{
    private readonly VimDevice _device;
    private readonly int _batch, _length, _channels, _states, _groups;
    private readonly ScanOperands _scan;
    private readonly DeviceMatrix _dOutput, _output;
    private readonly ScanGradients _gradients;

    public GoldenScan(VimDevice device, JsonElement settings, GoldenFile file, string name)
    {
        _device = device;
        (_batch, _length, _channels, _states) = (Int("batch"), Int("length"), Int("dim"), Int("state"));
        _groups = settings.GetProperty("groups").ValueKind == JsonValueKind.Null ? 1 : Int("groups");
        _scan = new ScanOperands
        {
            Batch = _batch,
            Length = _length,
            Reverse = false,
            Input = device.TokenMajor(file, $"{name}.in.u"),
            DeltaRaw = device.TokenMajor(file, $"{name}.in.delta"),
            DeltaBias = device.Matrix(file, $"{name}.in.delta_bias"),
            ALog = device.Matrix(_channels, _states, [.. file[$"{name}.in.A"].Values.Select(a => Math.Log(-a))]),
            B = GroupsAsColumns(file[$"{name}.in.B"].Values),
            C = GroupsAsColumns(file[$"{name}.in.C"].Values),
            Skip = device.Matrix(file, $"{name}.in.D"),
            Gate = device.TokenMajor(file, $"{name}.in.z"),
            Softplus = settings.GetProperty("delta_softplus").GetBoolean(),
            OutputScale = 1,
        };
        _dOutput = device.TokenMajor(file, $"{name}.cotangent.y");
        _output = Like(_scan.Input);
        _gradients = new ScanGradients
        {
            Input = Like(_scan.Input),
            DeltaRaw = Like(_scan.DeltaRaw),
            B = Like(_scan.B),
            C = Like(_scan.C),
            Gate = Like(_scan.Gate),
            ALog = Like(_scan.ALog),
            Skip = Like(_scan.Skip),
            DeltaBias = Like(_scan.DeltaBias),
        };

        int Int(string property) => settings.GetProperty(property).GetInt32();
        DeviceMatrix Like(DeviceMatrix m) => m.IsNone ? default : device.Matrix(m.Rows, m.Columns);
    }

    public void Run()
    {
        for (int g = 0; g < _groups; g++)
        {
            var (scan, gradients) = (Group(_scan, g), Group(_gradients, g));
            using DeviceBuffer checkpoints = _device.Allocate(_device.ScanCheckpointLength(_batch, _length, _channels / _groups, _states));
            _device.SelectiveScan(scan, Channels(_output, g), false, checkpoints);
            _device.SelectiveScanGradient(scan, checkpoints, Channels(_dOutput, g), gradients);
        }
    }

    public void Check(Checker check)
    {
        check.Output("y", _output.ChannelMajor(_batch));
        check.Gradient("u", _gradients.Input.ChannelMajor(_batch));
        check.Gradient("delta", _gradients.DeltaRaw.ChannelMajor(_batch));
        // With A = −exp(ALog): dL/dA = dL/dALog / A.
        check.Gradient("A", [.. _gradients.ALog.Values().Zip(_scan.ALog.Values(), (gradient, log) => -gradient / Math.Exp(log))]);
        check.Gradient("B", _gradients.B.ChannelMajor(_batch)); // [B, G·N, L] in memory is [B, G, N, L]
        check.Gradient("C", _gradients.C.ChannelMajor(_batch));
        if (!_scan.Skip.IsNone) check.Gradient("D", _gradients.Skip.Values());
        if (!_scan.Gate.IsNone) check.Gradient("z", _gradients.Gate.ChannelMajor(_batch));
        if (!_scan.DeltaBias.IsNone) check.Gradient("delta_bias", _gradients.DeltaBias.Values());
    }

    private ScanOperands Group(ScanOperands s, int g) => s with
    {
        Input = Channels(s.Input, g),
        DeltaRaw = Channels(s.DeltaRaw, g),
        DeltaBias = Channels(s.DeltaBias, g),
        ALog = s.ALog.SliceRows(g * _channels / _groups, _channels / _groups),
        B = s.B.SliceColumns(g * _states, _states),
        C = s.C.SliceColumns(g * _states, _states),
        Skip = Channels(s.Skip, g),
        Gate = Channels(s.Gate, g),
    };

    private ScanGradients Group(ScanGradients s, int g) => s with
    {
        Input = Channels(s.Input, g),
        DeltaRaw = Channels(s.DeltaRaw, g),
        B = s.B.SliceColumns(g * _states, _states),
        C = s.C.SliceColumns(g * _states, _states),
        Gate = Channels(s.Gate, g),
        ALog = s.ALog.SliceRows(g * _channels / _groups, _channels / _groups),
        Skip = Channels(s.Skip, g),
        DeltaBias = Channels(s.DeltaBias, g),
    };

    private DeviceMatrix Channels(DeviceMatrix m, int g) => m.IsNone ? default : m.SliceColumns(g * _channels / _groups, _channels / _groups);

    /// <summary>[B, G, N, L], where G may be left out, as [B·L, G·N].</summary>
    private DeviceMatrix GroupsAsColumns(double[] values)
    {
        int columns = _groups * _states;
        var tokenMajor = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            var (b, column, t) = (i / (columns * _length), i / _length % columns, i % _length);
            tokenMajor[(b * _length + t) * columns + column] = values[i];
        }
        return _device.Matrix(_batch * _length, columns, tokenMajor);
    }
}

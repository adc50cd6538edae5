using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>All that a step computes on a device, for two images of the tiny task: forward, and in training also loss, backward and a step of AdamW.</summary>
internal sealed class TinyPass : IDisposable
{
    private readonly VimDevice _device;
    private readonly DeviceWeights _weights;
    private readonly VimNetwork _network;
    private readonly Workspace _workspace;
    private readonly ParameterBuffer _gradients, _first, _second;
    private readonly bool _training;

    public TinyPass(VimDevice device, bool training, MergeOptions options)
    {
        (_device, _training) = (device, training);
        _weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: true);
        _network = new VimNetwork(_weights, MergeSchedule.Uniform(TinyTask.Config, 5, interval: 1, merging: options), options);
        _workspace = _network.CreateWorkspace(device, 2, training);
        var parameters = _weights.Parameters;
        (_gradients, _first, _second) = (new(device, parameters), new(device, parameters), new(device, parameters));
    }

    public void Run()
    {
        _network.Forward(_device, _workspace, 2);
        if (!_training) return;
        _device.Loss(new LossWeights(1, 0), _workspace.Logits, _workspace.Targets, default, 0.5f, _workspace.Losses, _workspace.LogitsGradient);
        _network.Backward(_device, _workspace, 2, _gradients);
        _device.AdamW(new AdamWStep(1, 1e-3, 0.9, 0.999, 1e-8, 0.05),
            _weights.Values, _gradients.Values, _first.Values, _second.Values, 0, _weights.Parameters.BufferLength);
        for (int i = 0; i < _weights.Linear.Count; i++) _device.Refresh(_weights.Linear[i]);
    }

    public void Dispose()
    {
        foreach (IDisposable part in (IDisposable[])[_second, _first, _gradients, _workspace, _weights]) part.Dispose();
    }
}

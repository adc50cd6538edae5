using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>A network to time. The weights are random: time does not depend on them.</summary>
/// <param name="Model">Name of the size.</param>
/// <param name="Config">Architecture.</param>
/// <param name="Removed">Tokens removed before every second block; 0: dense.</param>
internal sealed record NetworkCase(string Model, VimConfig Config, int Removed)
{
    /// <summary>Such as "Vim-Ti r=5".</summary>
    public string Name => Removed == 0 ? $"{Model} dense" : $"{Model} r={Removed}";

    /// <summary>The merges, the same at every second block.</summary>
    public MergeSchedule Schedule { get; } = Removed == 0 ? MergeSchedule.Dense(Config) : MergeSchedule.Uniform(Config, Removed);
}

/// <summary>A network with its activations on a device: what one repetition queues.</summary>
internal abstract class NetworkPass : IDisposable
{
    private readonly DeviceWeights _weights;
    private IDisposable? _recording;

    /// <param name="device">Where.</param>
    /// <param name="network">What.</param>
    /// <param name="batch">Images a repetition.</param>
    /// <param name="forTraining">True: room for the backward pass.</param>
    protected NetworkPass(VimDevice device, NetworkCase network, int batch, bool forTraining)
    {
        (Device, Batch) = (device, batch);
        _weights = new DeviceWeights(device, VimInitializer.Create(network.Config, 1), forTraining);
        Network = new VimNetwork(_weights, network.Schedule, MergeOptions.Default);
        Workspace = Network.CreateWorkspace(device, batch, forTraining);
        RandomValues.Fill(Workspace.Images);
    }

    /// <summary>Images a repetition.</summary>
    public int Batch { get; }

    /// <summary>Logits of the last repetition; waits for them.</summary>
    public float[] Logits
    {
        get
        {
            var values = new float[Workspace.Logits.Buffer.Length];
            Workspace.Logits.Buffer.Read(values);
            return values;
        }
    }

    protected VimDevice Device { get; }

    protected VimNetwork Network { get; }

    protected Workspace Workspace { get; }

    protected DeviceWeights Weights => _weights;

    /// <summary>Queues a repetition.</summary>
    public virtual void Queue() => Device.Run(ref _recording, Recorded);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        _recording?.Dispose();
        Workspace.Dispose();
        _weights.Dispose();
    }

    /// <summary>The operators that are the same in every repetition.</summary>
    protected abstract void Recorded();
}

/// <summary>Images to logits.</summary>
internal sealed class InferencePass(VimDevice device, NetworkCase network, int batch) : NetworkPass(device, network, batch, forTraining: false)
{
    protected override void Recorded() => Network.Forward(Device, Workspace, Batch);
}

/// <summary>One training step: images to logits, loss, gradients of all parameters, AdamW, and the weights made ready for the next step.</summary>
internal sealed class TrainingPass : NetworkPass
{
    private readonly ParameterBuffer _gradients, _first, _second;
    private int _step;

    public TrainingPass(VimDevice device, NetworkCase network, int batch) : base(device, network, batch, forTraining: true)
    {
        _gradients = new ParameterBuffer(device, Weights.Parameters);
        _first = new ParameterBuffer(device, Weights.Parameters);
        _second = new ParameterBuffer(device, Weights.Parameters);
        var targets = new float[Workspace.Targets.Rows * Workspace.Targets.Columns];
        for (int image = 0; image < batch; image++) targets[image * Workspace.Targets.Columns + image % Workspace.Targets.Columns] = 1;
        Workspace.Targets.Buffer.Write(targets);
    }

    /// <summary>Losses of the last repetition; waits for them.</summary>
    public float[] Losses
    {
        get
        {
            var values = new float[Workspace.Losses.Buffer.Length];
            Workspace.Losses.Buffer.Read(values);
            return values;
        }
    }

    public override void Queue()
    {
        base.Queue();
        var step = new AdamWStep(++_step, 1e-4, 0.9, 0.999, 1e-8, 0.05); // its numbers change from step to step: not recorded
        Device.AdamW(step, Weights.Values, _gradients.Values, _first.Values, _second.Values, 0, Weights.Values.Length);
        foreach (LinearWeight weight in Weights.Linear) Device.Refresh(weight);
    }

    public override void Dispose()
    {
        base.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    protected override void Recorded()
    {
        Network.Forward(Device, Workspace, Batch);
        Device.Loss(new LossWeights(1, 0), Workspace.Logits, Workspace.Targets, default, 1f / Batch, Workspace.Losses, Workspace.LogitsGradient);
        _gradients.Values.Clear();
        Network.Backward(Device, Workspace, Batch, _gradients);
    }
}

/// <summary>Values to compute on.</summary>
internal static class RandomValues
{
    private static readonly float[] s_values = Draw();

    /// <summary>Fills the buffer of a matrix with numbers from −1 to 1.</summary>
    public static void Fill(DeviceMatrix matrix) => Fill(matrix.Buffer);

    /// <summary>Fills a buffer with numbers from −1 to 1, the same in every million.</summary>
    public static void Fill(DeviceBuffer buffer)
    {
        for (long offset = 0; offset < buffer.Length; offset += s_values.Length)
            buffer.Write(s_values.AsSpan(0, (int)Math.Min(s_values.Length, buffer.Length - offset)), offset);
    }

    private static float[] Draw()
    {
        var (random, values) = (new Random(1), new float[1_000_003]);
        for (int i = 0; i < values.Length; i++) values[i] = 2 * random.NextSingle() - 1;
        return values;
    }
}

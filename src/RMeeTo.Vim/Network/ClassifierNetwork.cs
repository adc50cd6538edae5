using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// A network that classifies images, forward and backward, whatever its blocks are: what running and re-training need to know of it. It holds weights and no
/// activations,
/// so any number of workers run it at once, each with a device and a workspace of its own.
/// </summary>
/// <param name="weights">Shared by all workers.</param>
public abstract class ClassifierNetwork(DeviceWeights weights)
{
    /// <summary>The weights, shared by all workers.</summary>
    public DeviceWeights Weights { get; } = weights;

    /// <summary>Values of one network input: 3·H·W for an image, 3·T·H·W for a clip.</summary>
    internal abstract int InputLength { get; }

    /// <summary>T, frames of one network input; 0 where it is an image.</summary>
    internal virtual int InputFrames => 0;

    /// <summary>Tokens of one input before the first merge.</summary>
    internal abstract int InputTokens { get; }

    /// <summary>Values of <see cref="ClassifierWorkspace.Features"/> an image.</summary>
    internal abstract int FeatureWidth { get; }

    /// <summary>Number of classes.</summary>
    internal abstract int Classes { get; }

    /// <summary>Activations for this network.</summary>
    public abstract ClassifierWorkspace CreateWorkspace(VimDevice device, int batchCapacity, bool forTraining);

    /// <summary>Computes <c>workspace.Logits</c> [B, classes] from <c>workspace.Images</c>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations, made by this network.</param>
    /// <param name="batch">B, at most the workspace's capacity.</param>
    public abstract void Forward(VimDevice device, ClassifierWorkspace workspace, int batch);

    /// <summary>Adds the gradients of all parameters, from <c>workspace.LogitsGradient</c> and what the forward pass left in the workspace.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">Made for training; the last forward pass was this batch's.</param>
    /// <param name="batch">B.</param>
    /// <param name="gradients">Added to.</param>
    public abstract void Backward(VimDevice device, ClassifierWorkspace workspace, int batch, ParameterBuffer gradients);

    /// <summary>The workspace as this kind of network knows it.</summary>
    private protected static TWorkspace Own<TWorkspace>(ClassifierWorkspace workspace) where TWorkspace : ClassifierWorkspace => workspace as TWorkspace
        ?? throw new ArgumentException($"The workspace is a {workspace?.GetType().Name ?? "null"}; this network needs a {typeof(TWorkspace).Name}: make it "
            + "with CreateWorkspace of this network.", nameof(workspace));
}

/// <summary>All activations of one worker, laid out once and used again for every batch.</summary>
public abstract class ClassifierWorkspace : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly VimDevice _device;

    private protected ClassifierWorkspace(VimDevice device, int batchCapacity, bool forTraining)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchCapacity, 1);
        (_device, BatchCapacity, ForTraining) = (device, batchCapacity, forTraining);
    }

    /// <summary>Largest batch.</summary>
    public int BatchCapacity { get; }

    /// <summary>True where the backward pass can run.</summary>
    public bool ForTraining { get; }

    /// <summary>
    /// Network input [B, 3·H·W]: normalised planes of red, green and blue; for clips [B, 3·T·H·W], of each colour the planes of all frames. Filled by the
    /// caller.
    /// </summary>
    public abstract DeviceMatrix Images { get; }

    /// <summary>Network output [B, classes].</summary>
    public abstract DeviceMatrix Logits { get; }

    /// <summary>What the head reads [B, C]: the class token after the final norm, or what the architecture has in its place.</summary>
    public abstract DeviceMatrix Features { get; }

    /// <summary>Gradient of the loss with regard to the logits [B, classes]; input of the backward pass. Training only.</summary>
    public abstract DeviceMatrix LogitsGradient { get; }

    /// <summary>Target probabilities [B, classes]. Training only; filled by the caller.</summary>
    public abstract DeviceMatrix Targets { get; }

    /// <summary>Loss of every image [B, 1]. Training only.</summary>
    public abstract DeviceMatrix Losses { get; }

    /// <summary>Says what the random choices of an image are drawn from, where the network makes any; at inference that never changes.</summary>
    internal virtual void SetShuffleKey(int image, ShuffleKey key) { }

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        _owned.Clear();
        GC.SuppressFinalize(this);
    }

    private protected T Own<T>(T owned) where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    private protected DeviceMatrix Matrix(int rows, int columns) => new(Own(_device.Allocate((long)rows * columns)), rows, columns);
}

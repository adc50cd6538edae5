using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Network;

/// <summary>
/// A network that classifies images, forward and backward, whatever its blocks are: what running and re-training need to know of it. It holds weights and no
/// activations, so any number of workers run it at once, each with a device and a workspace of its own.
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
    /// <param name="device">Where.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    /// <param name="forTraining">True: room for the backward pass.</param>
    /// <param name="dropPath">
    /// Stochastic depth of all its forward passes, also of those without a backward pass; none unless given. Set each image's key with
    /// <see cref="ClassifierWorkspace.SetSampleKey"/> before a pass.
    /// </param>
    public abstract ClassifierWorkspace CreateWorkspace(VimDevice device, int batchCapacity, bool forTraining, DropPath dropPath = default);

    /// <summary>
    /// True where a pass of a batch calls the same operators every time, so that <see cref="VimDevice.Run"/> may record it: all but shuffled merges, whose
    /// row orders devices take from ordinary memory.
    /// </summary>
    internal virtual bool IsRecordable => false;

    /// <summary>Values of the activations for inference.</summary>
    internal abstract long ActivationsLength(VimDevice device, int batchCapacity);

    /// <summary>Computes <c>workspace.Logits</c> [B, classes] from <c>workspace.Images</c>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations, made by this network.</param>
    /// <param name="batch">B, at most the workspace's capacity.</param>
    public abstract void Forward(VimDevice device, ClassifierWorkspace workspace, int batch);

    /// <summary>The operators of <see cref="Forward"/>, after <see cref="ClassifierWorkspace.DrawChoices"/>.</summary>
    internal abstract void ForwardDrawn(VimDevice device, ClassifierWorkspace workspace, int batch);

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

    /// <summary>Throws where the workspace is one of another network, or too small.</summary>
    /// <param name="workspace">The caller's.</param>
    /// <param name="batch">B.</param>
    /// <param name="laidOutFor">Merges of the workspace.</param>
    /// <param name="own">Merges of this network.</param>
    private protected static void CheckBatch<TSchedule, TOptions>(
        ClassifierWorkspace workspace, int batch, (TSchedule Schedule, TOptions Options) laidOutFor, (TSchedule Schedule, TOptions Options) own)
        where TSchedule : class where TOptions : class, IEquatable<TOptions>
    {
        if (!ReferenceEquals(laidOutFor.Schedule, own.Schedule) || !laidOutFor.Options.Equals(own.Options))
            throw new ArgumentException($"The workspace was laid out for other merges ({laidOutFor.Schedule}; this network: {own.Schedule}); make it with "
                + "CreateWorkspace of this network.", nameof(workspace));
        if (batch < 1 || batch > workspace.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The batch has {batch} images; the workspace has room for 1 to "
                + $"{workspace.BatchCapacity}.");
    }

    private protected static void CheckForTraining(ClassifierWorkspace workspace)
    {
        if (!workspace.ForTraining)
            throw new InvalidOperationException("This workspace was made for inference; make it with forTraining: true to run the backward pass.");
    }
}

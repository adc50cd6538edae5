using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>Sees the state after each block of a forward pass: the mixer's output, the residual stream after the block's add, and the sizes of the tokens.</summary>
/// <param name="block">Index of the block.</param>
/// <param name="hidden">[B·L, C]</param>
/// <param name="residual">[B·L, C]</param>
/// <param name="sizes">[B·L, 1]; none before the first merge, where every token stands for one.</param>
public delegate void BlockObserver(int block, DeviceMatrix hidden, DeviceMatrix residual, DeviceMatrix sizes);

/// <summary>
/// A Vision Mamba with merge layers: patch embedding, blocks (merge, add, norm, mixer), class head; forward and backward. It holds weights and no activations, so any
/// number of workers run it at once, each with a device and a <see cref="Workspace"/> of its own.
/// </summary>
/// <remarks>Spec 1.1 and 2. A merge at the entry of a block compares the previous mixer's outputs and shortens hidden state and residual alike.</remarks>
public sealed class VimNetwork : ClassifierNetwork
{
    private readonly MambaMixer[] _mixers;

    /// <summary>Combines weights with a schedule.</summary>
    /// <exception cref="ArgumentException">The weights are of another kind of network.</exception>
    public VimNetwork(DeviceWeights weights, MergeSchedule schedule, MergeOptions options) : base(weights)
    {
        Parameters = weights.Parameters as VimParameters
            ?? throw new ArgumentException($"The weights are laid out by {weights.Parameters.GetType().Name}; a VimNetwork needs the weights of a Vision Mamba, VimWeights.", nameof(weights));
        Schedule = schedule;
        Options = options;
        if (Config.IsVideo || Config.ClassToken is ClassTokenPosition.Ends or ClassTokenPosition.None)
            throw new NotSupportedException($"Networks for clips ({Config.Frames} frames) and class token position {Config.ClassToken} cannot run yet; use Frames = 0 and ClassTokenPosition.Middle or First.");
        _mixers = [.. Parameters.Blocks.Select(block => new MambaMixer(Config, block, weights))];
    }

    /// <summary>Merges.</summary>
    public MergeSchedule Schedule { get; }

    /// <summary>How merges choose and combine.</summary>
    public MergeOptions Options { get; }

    /// <summary>Architecture.</summary>
    public VimConfig Config => Parameters.Config;

    internal override int InputLength => 3 * Config.ImageHeight * Config.ImageWidth;

    internal override int InputTokens => Config.Tokens;

    internal override int FeatureWidth => Config.Width;

    internal override int Classes => Config.Classes;

    /// <summary>Names, shapes and places.</summary>
    public VimParameters Parameters { get; }

    /// <summary>Activations for this network.</summary>
    public override Workspace CreateWorkspace(VimDevice device, int batchCapacity, bool forTraining) => new(device, Config, Schedule, Options, batchCapacity, forTraining);

    /// <summary>Computes <c>workspace.Logits</c> [B, classes] from <c>workspace.Images</c>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations.</param>
    /// <param name="batch">B, at most the workspace's capacity.</param>
    /// <param name="observer">Called after every block, or null.</param>
    public void Forward(VimDevice device, Workspace workspace, int batch, BlockObserver? observer = null)
    {
        CheckBatch(workspace, batch);
        Embed(device, workspace, batch);
        for (int i = 0; i < Config.Depth; i++)
        {
            bool classRowOnly = i == Config.Depth - 1 && observer is null && !workspace.ForTraining;
            ForwardBlock(device, workspace, batch, i, classRowOnly);
            if (observer is null) continue;
            int rows = batch * Schedule.TokensPerBlock[i];
            bool merged = !Schedule.IsDense && i >= Schedule.Steps[0].Block;
            observer(i, workspace.Hidden.Current.SliceRows(0, rows), ResidualAfter(workspace, i).SliceRows(0, rows), merged ? workspace.Sizes.Current.SliceRows(0, rows) : default);
        }
        ForwardHead(device, workspace, batch);
    }

    /// <summary>Adds the gradients of all parameters, from <c>workspace.LogitsGradient</c> and what the forward pass left in the workspace.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">Made for training; the last forward pass was this batch's.</param>
    /// <param name="batch">B.</param>
    /// <param name="gradients">Added to.</param>
    public void Backward(VimDevice device, Workspace workspace, int batch, ParameterBuffer gradients)
    {
        CheckBatch(workspace, batch);
        if (!workspace.ForTraining) throw new InvalidOperationException("This workspace was made for inference; make it with forTraining: true to run the backward pass.");
        BackwardHead(device, workspace, batch, gradients);
        for (int i = Config.Depth - 1; i >= 0; i--) BackwardBlock(device, workspace, batch, i, gradients);

        var patchTokensGradient = workspace.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.EmbedGradient(batch, Config.ClassRow, workspace.Gradient.Current.SliceRows(0, batch * Config.Tokens), patchTokensGradient,
            gradients[Parameters.ClassToken], gradients[Parameters.Positions]);
        device.LinearWeightGradient(patchTokensGradient, workspace.Patches.SliceRows(0, batch * Config.Patches), gradients[Parameters.PatchWeight], gradients[Parameters.PatchBias]);
    }

    /// <inheritdoc/>
    public override void Forward(VimDevice device, ClassifierWorkspace workspace, int batch) => Forward(device, Own<Workspace>(workspace), batch, null);

    /// <inheritdoc/>
    public override void Backward(VimDevice device, ClassifierWorkspace workspace, int batch, ParameterBuffer gradients) => Backward(device, Own<Workspace>(workspace), batch, gradients);

    private void CheckBatch(Workspace workspace, int batch)
    {
        if (!ReferenceEquals(workspace.Schedule, Schedule) || workspace.Options != Options)
            throw new ArgumentException($"The workspace was laid out for other merges ({workspace.Schedule}; this network: {Schedule}); make it with CreateWorkspace of this network.", nameof(workspace));
        if (batch < 1 || batch > workspace.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The batch has {batch} images; the workspace has room for 1 to {workspace.BatchCapacity}.");
    }

    /// <summary>Where the residual stream is after a block: kept for each block in training, updated in place otherwise.</summary>
    private static DeviceMatrix ResidualAfter(Workspace workspace, int block) => workspace.ForTraining ? workspace.Blocks[block].Sum : workspace.Residual.Current;

    private void Embed(VimDevice device, Workspace workspace, int batch)
    {
        var patches = workspace.Patches.SliceRows(0, batch * Config.Patches);
        var patchTokens = workspace.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.ExtractPatches(Config, workspace.Images.SliceRows(0, batch), patches);
        device.Linear(patches, Weights.LinearOf(Parameters.PatchWeight), Weights[Parameters.PatchBias], patchTokens);
        device.Embed(batch, Config.ClassRow, patchTokens, Weights[Parameters.ClassToken], Weights[Parameters.Positions], workspace.Residual.Current.SliceRows(0, batch * Config.Tokens));
    }

    // The head looks at nothing of the last block but the class row.
    private void ForwardBlock(VimDevice device, Workspace workspace, int batch, int block, bool classRowOnly)
    {
        var activations = workspace.Blocks[block];
        var residual = block == 0 ? workspace.Residual.Current : ResidualAfter(workspace, block - 1);
        if (workspace.Plans[block] is { } plan) residual = Merge(device, workspace, batch, block, plan, residual);
        int length = Schedule.TokensPerBlock[block], rows = batch * length;
        residual = residual.SliceRows(0, rows);
        var hidden = workspace.Hidden.Current.SliceRows(0, rows);
        device.AddNorm(BlockNorm(block), residual, block == 0 ? default : hidden, workspace.ForTraining ? activations.Sum.SliceRows(0, rows) : residual,
            activations.Normed.SliceRows(0, rows), activations.Statistics.SliceRows(0, rows));
        if (classRowOnly) _mixers[block].ForwardRow(device, activations, batch, length, Schedule.FinalClassRow, hidden);
        else _mixers[block].Forward(device, activations, batch, length, hidden);
    }

    /// <summary>Shortens hidden state, residual and sizes; returns the shortened residual.</summary>
    private DeviceMatrix Merge(VimDevice device, Workspace workspace, int batch, int block, MergePlan plan, DeviceMatrix residual)
    {
        int rowsIn = batch * plan.Step.TokensIn, rowsOut = batch * plan.Step.TokensOut;
        bool first = ReferenceEquals(plan.Step, Schedule.Steps[0]);
        var hidden = workspace.Hidden.Current.SliceRows(0, rowsIn);
        var sizes = first ? default : workspace.Sizes.Current.SliceRows(0, rowsIn);
        device.Match(batch, hidden, sizes, plan, workspace.Sizes.Other.SliceRows(0, rowsOut));
        workspace.Sizes.Swap();
        device.Merge(batch, plan, hidden, workspace.Hidden.Other.SliceRows(0, rowsOut));
        workspace.Hidden.Swap();
        device.Merge(batch, plan, residual.SliceRows(0, rowsIn), workspace.Residual.Other.SliceRows(0, rowsOut));
        workspace.Residual.Swap();
        return workspace.Residual.Current;
    }

    private void ForwardHead(VimDevice device, Workspace workspace, int batch)
    {
        var head = workspace.Head;
        int rows = batch * Schedule.TokensPerBlock[^1];
        var (hidden, residual, feature) = (head.Hidden.SliceRows(0, batch), head.Residual.SliceRows(0, batch), head.Feature.SliceRows(0, batch));
        device.GatherRows(Schedule.FinalClassRow, workspace.Hidden.Current.SliceRows(0, rows), hidden);
        device.GatherRows(Schedule.FinalClassRow, ResidualAfter(workspace, Config.Depth - 1).SliceRows(0, rows), residual);
        device.AddNorm(FinalNorm, residual, hidden, residual, feature, head.Statistics.SliceRows(0, batch));
        device.Linear(feature, Weights.LinearOf(Parameters.HeadWeight), Weights[Parameters.HeadBias], head.Logits.SliceRows(0, batch));
    }

    private void BackwardHead(VimDevice device, Workspace workspace, int batch, ParameterBuffer gradients)
    {
        var head = workspace.Head;
        var (logitsGradient, featureGradient, sumGradient) = (head.LogitsGradient.SliceRows(0, batch), head.FeatureGradient.SliceRows(0, batch), head.SumGradient.SliceRows(0, batch));
        device.LinearWeightGradient(logitsGradient, head.Feature.SliceRows(0, batch), gradients[Parameters.HeadWeight], gradients[Parameters.HeadBias]);
        device.LinearInputGradient(logitsGradient, Weights.LinearOf(Parameters.HeadWeight), featureGradient);
        sumGradient.Buffer.Clear();
        device.AddNormGradient(FinalNorm, head.Residual.SliceRows(0, batch), head.Statistics.SliceRows(0, batch), featureGradient, sumGradient,
            gradients[Parameters.FinalNorm], gradients[Parameters.FinalNormBias]);
        device.ScatterRows(Schedule.FinalClassRow, sumGradient, workspace.Gradient.Current.SliceRows(0, batch * Schedule.TokensPerBlock[^1]));
    }

    /// <summary>
    /// Hidden state and residual meet in an addition, so one matrix is the gradient of both: on entry with regard to what the block hands on, on exit with regard to
    /// what it received.
    /// </summary>
    private void BackwardBlock(VimDevice device, Workspace workspace, int batch, int block, ParameterBuffer gradients)
    {
        var activations = workspace.Blocks[block];
        int length = Schedule.TokensPerBlock[block], rows = batch * length;
        var gradient = workspace.Gradient.Current.SliceRows(0, rows);
        _mixers[block].Backward(device, activations, workspace.MixerGradient, batch, length, gradient, gradients);
        var parameters = Parameters.Blocks[block];
        device.AddNormGradient(BlockNorm(block), activations.Sum.SliceRows(0, rows), activations.Statistics.SliceRows(0, rows), workspace.MixerGradient.Normed.SliceRows(0, rows),
            gradient, gradients[parameters.Norm], gradients[parameters.NormBias]);
        if (workspace.Plans[block] is not { } plan) return;
        device.MergeGradient(batch, plan, gradient, workspace.Gradient.Other.SliceRows(0, batch * plan.Step.TokensIn));
        workspace.Gradient.Swap();
    }

    private NormOperands BlockNorm(int block) => Norm(Parameters.Blocks[block].Norm, Parameters.Blocks[block].NormBias);

    private NormOperands FinalNorm => Norm(Parameters.FinalNorm, Parameters.FinalNormBias);

    private NormOperands Norm(VimParameter weight, VimParameter? bias) => new() { Kind = Config.Norm, Epsilon = Config.NormEpsilon, Weight = Weights[weight], Bias = Weights[bias] };
}

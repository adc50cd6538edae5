using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// Sees the state after each block of a forward pass: the mixer's output, the residual stream after the block's add, and the sizes of the tokens.
/// </summary>
/// <param name="block">Index of the block.</param>
/// <param name="hidden">[B·L, C]</param>
/// <param name="residual">[B·L, C]</param>
/// <param name="sizes">[B·L, 1]; none before the first merge, where every token stands for one.</param>
public delegate void BlockObserver(int block, DeviceMatrix hidden, DeviceMatrix residual, DeviceMatrix sizes);

/// <summary>
/// A Vision Mamba with merge layers: patch embedding, blocks (merge, add, norm, mixer), head; forward and backward. It holds weights and no activations, so any
/// number of workers run it at once, each with a device and a <see cref="Workspace"/> of its own.
/// </summary>
/// <remarks>Spec 1.1 and 2. A merge at the entry of a block compares the previous mixer's outputs and shortens hidden state and residual alike.</remarks>
public sealed class VimNetwork : ClassifierNetwork
{
    private static readonly MergeWinners s_noWinners = new(default, default);

    private readonly MambaMixer[] _mixers;
    private readonly ClassifierHead _head;

    /// <summary>Combines weights with a schedule.</summary>
    /// <exception cref="ArgumentException">
    /// The weights are of another kind of network; or the schedule was made for another network or other options, or has a merge that they do not allow.
    /// </exception>
    public VimNetwork(DeviceWeights weights, MergeSchedule schedule, MergeOptions options) : base(weights)
    {
        Parameters = weights.Parameters as VimParameters
            ?? throw new ArgumentException($"The weights are laid out by {weights.Parameters.GetType().Name}; a VimNetwork needs the weights of a Vision "
                + "Mamba, VimWeights.", nameof(weights));
        schedule.Check(Parameters.Config, nameof(schedule));
        options.Check(schedule, nameof(schedule));
        Schedule = schedule;
        Options = options;
        _head = new ClassifierHead(Parameters, weights, schedule);
        _mixers = [.. Parameters.Blocks.Select(block => new MambaMixer(Config, block, weights))];
    }

    /// <summary>Merges.</summary>
    public MergeSchedule Schedule { get; }

    /// <summary>How merges choose and combine.</summary>
    public MergeOptions Options { get; }

    /// <summary>Architecture.</summary>
    public VimConfig Config => Parameters.Config;

    internal override int InputLength => Config.InputLength;

    internal override int InputFrames => Config.Frames;

    internal override int InputTokens => Config.Tokens;

    internal override int FeatureWidth => Config.Width;

    internal override int Classes => Config.Classes;

    internal override bool IsRecordable => Schedule.IsDense || Options.ShuffleRate == 0;

    internal override long ActivationsLength(VimDevice device, int batchCapacity) =>
        WorkspaceLength.Of(device, Config, Schedule, Options, batchCapacity, forTraining: false);

    /// <summary>Names, shapes and places.</summary>
    public VimParameters Parameters { get; }

    /// <inheritdoc/>
    public override Workspace CreateWorkspace(VimDevice device, int batchCapacity, bool forTraining, DropPath dropPath = default) =>
        new(device, Config, Schedule, Options, batchCapacity, forTraining, dropPath);

    /// <summary>Computes <c>workspace.Logits</c> [B, classes] from <c>workspace.Images</c>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations.</param>
    /// <param name="batch">B, at most the workspace's capacity.</param>
    /// <param name="observer">Called after every block, or null.</param>
    public void Forward(VimDevice device, Workspace workspace, int batch, BlockObserver? observer = null)
    {
        CheckBatch(workspace, batch);
        workspace.DrawChoices(batch);
        ForwardDrawn(device, workspace, batch, observer);
    }

    private void ForwardDrawn(VimDevice device, Workspace workspace, int batch, BlockObserver? observer)
    {
        CheckBatch(workspace, batch);
        Embed(device, workspace, batch);
        for (int i = 0; i < Config.Depth; i++)
        {
            bool headRowOnly = i == Config.Depth - 1 && _head.OnlyRow is not null && observer is null && !workspace.ForTraining && ClassRows(workspace) is null;
            ForwardBlock(device, workspace, batch, i, headRowOnly);
            if (observer is null) continue;
            int rows = batch * Schedule.TokensPerBlock[i];
            bool merged = !Schedule.IsDense && i >= Schedule.Steps[0].Block;
            observer(i, workspace.Hidden.Current.SliceRows(0, rows), ResidualAfter(workspace, i).SliceRows(0, rows),
                merged ? workspace.Sizes.Current.SliceRows(0, rows) : default);
        }
        _head.Forward(device, workspace, batch, ResidualAfter(workspace, Config.Depth - 1), ClassRows(workspace));
    }

    /// <summary>Adds the gradients of all parameters, from <c>workspace.LogitsGradient</c> and what the forward pass left in the workspace.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">Made for training; the last forward pass was this batch's.</param>
    /// <param name="batch">B.</param>
    /// <param name="gradients">Added to.</param>
    public void Backward(VimDevice device, Workspace workspace, int batch, ParameterBuffer gradients)
    {
        CheckBatch(workspace, batch);
        CheckForTraining(workspace);
        _head.Backward(device, workspace, batch, ClassRows(workspace), gradients);
        for (int i = Config.Depth - 1; i >= 0; i--) BackwardBlock(device, workspace, batch, i, gradients);

        var patchTokensGradient = workspace.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.EmbedGradient(batch, workspace.Gradient.Current.SliceRows(0, batch * Config.Tokens), patchTokensGradient, Tables(gradients.Values));
        device.LinearWeightGradient(patchTokensGradient, workspace.Patches.SliceRows(0, batch * Config.Patches), gradients[Parameters.PatchWeight],
            gradients[Parameters.PatchBias]);
    }

    /// <inheritdoc/>
    public override void Forward(VimDevice device, ClassifierWorkspace workspace, int batch) => Forward(device, Own<Workspace>(workspace), batch, null);

    internal override void ForwardDrawn(VimDevice device, ClassifierWorkspace workspace, int batch) =>
        ForwardDrawn(device, Own<Workspace>(workspace), batch, null);

    /// <inheritdoc/>
    public override void Backward(VimDevice device, ClassifierWorkspace workspace, int batch, ParameterBuffer gradients) =>
        Backward(device, Own<Workspace>(workspace), batch, gradients);

    private void CheckBatch(Workspace workspace, int batch) => CheckBatch(workspace, batch, (workspace.Schedule, workspace.Options), (Schedule, Options));

    /// <summary>Where the residual stream is after a block: kept for each block in training, updated in place otherwise.</summary>
    private static DeviceMatrix ResidualAfter(Workspace workspace, int block) =>
        workspace.ForTraining ? workspace.Blocks[block].Sum : workspace.Residual.Current;

    private void Embed(VimDevice device, Workspace workspace, int batch)
    {
        var patches = workspace.Patches.SliceRows(0, batch * Config.Patches);
        var patchTokens = workspace.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.ExtractPatches(Config, workspace.Images.SliceRows(0, batch), patches);
        device.Linear(patches, Weights.LinearOf(Parameters.PatchWeight), Weights[Parameters.PatchBias], patchTokens);
        device.Embed(batch, Tables(Weights.Values), patchTokens, workspace.Residual.Current.SliceRows(0, batch * Config.Tokens));
    }

    // In most networks the head looks at nothing of the last block but the class row.
    private void ForwardBlock(VimDevice device, Workspace workspace, int batch, int block, bool headRowOnly)
    {
        var activations = workspace.Blocks[block];
        var residual = block == 0 ? workspace.Residual.Current : ResidualAfter(workspace, block - 1);
        if (workspace.Plans[block] is { } plan) residual = Merge(device, workspace, batch, block, plan, residual);
        int length = Schedule.TokensPerBlock[block], rows = batch * length;
        residual = residual.SliceRows(0, rows);
        var hidden = workspace.Hidden.Current.SliceRows(0, rows);
        if (workspace.BranchFactors(block, batch) is { IsNone: false } factors) device.ScaleImages(hidden, factors, hidden); // nothing else reads it any more
        device.AddNorm(BlockNorm(block), residual, block == 0 ? default : hidden, workspace.ForTraining ? activations.Sum.SliceRows(0, rows) : residual,
            activations.Normed.SliceRows(0, rows), activations.Statistics.SliceRows(0, rows));
        bool mergesNext = block + 1 < Config.Depth && workspace.Plans[block + 1] is not null;
        if (headRowOnly) _mixers[block].ForwardRow(device, activations, batch, length, _head.OnlyRow!.Value, hidden);
        else _mixers[block].Forward(device, activations, batch, length, hidden, mergesNext ? workspace.Evidence : null);
    }

    /// <summary>Shortens hidden state, residual and sizes; returns the shortened residual.</summary>
    private DeviceMatrix Merge(VimDevice device, Workspace workspace, int batch, int block, MergePlan plan, DeviceMatrix residual)
    {
        int rowsIn = batch * plan.Step.TokensIn, rowsOut = batch * plan.Step.TokensOut;
        bool first = ReferenceEquals(plan.Step, Schedule.Steps[0]);
        var hidden = workspace.Hidden.Current.SliceRows(0, rowsIn);
        var winners = workspace.ForTraining && Options.HasWinners ? workspace.Winners[block]! : s_noWinners;
        device.Match(batch, new MatchOperands
        {
            Metric = workspace.Evidence is { } evidence ? evidence.Metric.SliceRows(0, rowsIn) : hidden,
            Sizes = first ? default : workspace.Sizes.Current.SliceRows(0, rowsIn),
            Previous = first ? null : PlanBefore(workspace, block),
        }, plan, workspace.Sizes.Other.SliceRows(0, rowsOut));
        workspace.Sizes.Swap();
        device.Merge(batch, plan, hidden, workspace.Hidden.Other.SliceRows(0, rowsOut), Part(winners.Hidden, rowsOut));
        workspace.Hidden.Swap();
        device.Merge(batch, plan, residual.SliceRows(0, rowsIn), workspace.Residual.Other.SliceRows(0, rowsOut), Part(winners.Residual, rowsOut));
        workspace.Residual.Swap();
        return workspace.Residual.Current;
    }

    /// <summary>The last plan before a block, or null.</summary>
    private static MergePlan? PlanBefore(Workspace workspace, int block)
    {
        for (int i = block - 1; i >= 0; i--)
            if (workspace.Plans[i] is { } plan) return plan;
        return null;
    }

    /// <summary>The plan that knows the class row of every image, where they differ; null where the schedule's row is that of all.</summary>
    private MergePlan? ClassRows(Workspace workspace) => Options.ClassPosition == MergeClassPosition.Exact ? PlanBefore(workspace, Config.Depth) : null;

    private static DeviceMatrix Part(DeviceMatrix matrix, int rows) => matrix.IsNone ? default : matrix.SliceRows(0, rows);

    /// <summary>
    /// Hidden state and residual meet in an addition, so one matrix is the gradient of both: on entry with regard to what the block hands on, on exit with
    /// regard to what it received. Only at a merge of largest or smallest values they part, as each has winners of its own, and where branches are dropped; in
    /// the block before, the hidden state's goes through the mixer and the residual's meets it again.
    /// </summary>
    private void BackwardBlock(VimDevice device, Workspace workspace, int batch, int block, ParameterBuffer gradients)
    {
        var activations = workspace.Blocks[block];
        int length = Schedule.TokensPerBlock[block], rows = batch * length;
        var gradient = workspace.Gradient.Current.SliceRows(0, rows);
        var hiddenGradient = HiddenGradient(device, workspace, batch, block, gradient);
        _mixers[block].Backward(device, activations, workspace.MixerGradient, batch, length, hiddenGradient, gradients);
        var parameters = Parameters.Blocks[block];
        device.AddNormGradient(BlockNorm(block), activations.Sum.SliceRows(0, rows), activations.Statistics.SliceRows(0, rows),
            workspace.MixerGradient.Normed.SliceRows(0, rows), gradient, gradients[parameters.Norm], gradients[parameters.NormBias]);
        if (workspace.Plans[block] is not { } plan) return;
        int rowsIn = batch * plan.Step.TokensIn;
        var winners = workspace.Winners.Count > 0 ? workspace.Winners[block]! : s_noWinners;
        if (Options.HasWinners) device.MergeGradient(batch, plan, gradient, workspace.HiddenGradient.SliceRows(0, rowsIn), Part(winners.Hidden, rows));
        device.MergeGradient(batch, plan, gradient, workspace.Gradient.Other.SliceRows(0, rowsIn), Part(winners.Residual, rows));
        workspace.Gradient.Swap();
    }

    /// <summary>The gradient of a block's hidden state, where <paramref name="gradient"/> is that of the residual stream behind it.</summary>
    private static DeviceMatrix HiddenGradient(VimDevice device, Workspace workspace, int batch, int block, DeviceMatrix gradient)
    {
        bool parted = workspace.Winners.Count > block + 1 && workspace.Winners[block + 1] is not null;
        var merged = parted ? workspace.HiddenGradient.SliceRows(0, gradient.Rows) : gradient;
        var factors = workspace.BranchFactors(block + 1, batch);
        if (factors.IsNone) return merged;
        // A factor is the same for all tokens of an image, so it may be applied before or after the gradient of the merge between.
        var scaled = parted ? merged : workspace.Gradient.Other.SliceRows(0, gradient.Rows);
        device.ScaleImages(merged, factors, scaled);
        return scaled;
    }

    private EmbeddingTables Tables(DeviceBuffer values) => new()
    {
        ClassRow = Config.ClassRow,
        ClassToken = DeviceWeights.View(values, Parameters.ClassToken),
        TailClassToken = DeviceWeights.View(values, Parameters.TailClassToken),
        Positions = DeviceWeights.View(values, Parameters.Positions),
        TimePositions = DeviceWeights.View(values, Parameters.TimePositions),
    };

    private NormOperands BlockNorm(int block) => Weights.Norm(Config, Parameters.Blocks[block].Norm, Parameters.Blocks[block].NormBias);
}

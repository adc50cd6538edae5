using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>Sees the tokens after each block of a forward pass.</summary>
/// <param name="block">Index of the block.</param>
/// <param name="tokens">[B·L', C]</param>
/// <param name="sizes">[B·L', 1]; none before the first merge, where every token stands for one.</param>
public delegate void DeitBlockObserver(int block, DeviceMatrix tokens, DeviceMatrix sizes);

/// <summary>
/// A DeiT with token merging: patch embedding, blocks (attention, merge, MLP), class head; forward and backward. It holds weights and no activations, so any
/// number of workers run it at once, each with a device and a <see cref="DeitWorkspace"/> of its own.
/// </summary>
/// <remarks>
/// Spec 1.5 and 2.8: x ← x + Proj(Attention(LN(x), sizes)); merge; x ← x + MLP(LN(x)). The attention adds ln(size) to the logits of a key. Under
/// <see cref="DropPath"/> attention and MLP are two branches with a factor each.
/// </remarks>
public sealed class DeitNetwork : ClassifierNetwork
{
    private const int ClassRow = 0;

    private readonly VimConfig _geometry;

    /// <summary>Combines weights with a schedule.</summary>
    /// <exception cref="ArgumentException">The weights are of another kind of network, or the schedule is for another one.</exception>
    public DeitNetwork(DeviceWeights weights, DeitMergeSchedule schedule, DeitMergeOptions options) : base(weights)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        Parameters = weights.Parameters as DeitParameters
            ?? throw new ArgumentException($"The weights are laid out by {weights.Parameters.GetType().Name}; a DeitNetwork needs the weights of a DeiT, "
                + "DeitWeights.", nameof(weights));
        schedule.ThrowIfNotFor(Config, nameof(schedule));
        (Schedule, Options, _geometry) = (schedule, options, Config.Geometry);
    }

    /// <summary>Merges.</summary>
    public DeitMergeSchedule Schedule { get; }

    /// <summary>How merges choose and combine.</summary>
    public DeitMergeOptions Options { get; }

    /// <summary>Names, shapes and places.</summary>
    public DeitParameters Parameters { get; }

    /// <summary>Architecture.</summary>
    public DeitConfig Config => Parameters.Config;

    internal override int InputLength => Config.InputLength;

    internal override int InputTokens => Config.Tokens;

    internal override int FeatureWidth => Config.Width;

    internal override int Classes => Config.Classes;

    internal override long ActivationsLength(VimDevice device, int batchCapacity) =>
        DeitWorkspaceLength.Of(Config, Schedule, Options, batchCapacity, forTraining: false);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The device is not the CPU.</exception>
    public override DeitWorkspace CreateWorkspace(VimDevice device, int batchCapacity, bool forTraining, DropPath dropPath = default) =>
        new(device, Config, Schedule, Options, batchCapacity, forTraining, dropPath);

    /// <inheritdoc/>
    public override void Forward(VimDevice device, ClassifierWorkspace workspace, int batch) => Forward(device, Own<DeitWorkspace>(workspace), batch, null);

    internal override void ForwardDrawn(VimDevice device, ClassifierWorkspace workspace, int batch) =>
        ForwardDrawn(device, Own<DeitWorkspace>(workspace), batch, null);

    /// <summary>Computes <c>workspace.Logits</c> [B, classes] from <c>workspace.Images</c>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations.</param>
    /// <param name="batch">B, at most the workspace's capacity.</param>
    /// <param name="observer">Called after every block, or null.</param>
    public void Forward(VimDevice device, DeitWorkspace workspace, int batch, DeitBlockObserver? observer)
    {
        CheckBatch(workspace, batch);
        workspace.DrawChoices(batch);
        ForwardDrawn(device, workspace, batch, observer);
    }

    private void ForwardDrawn(VimDevice device, DeitWorkspace workspace, int batch, DeitBlockObserver? observer)
    {
        CheckBatch(workspace, batch);
        Embed(device, workspace, batch);
        for (int i = 0; i < Config.Depth; i++)
        {
            var attended = Attend(device, workspace, batch, i);
            if (i == Config.Depth - 1 && observer is null && !workspace.ForTraining)
            {
                FinishClassTokens(device, workspace, batch, attended);
                break;
            }
            int rows = batch * Schedule.TokensPerBlock[i];
            AddProjection(device, workspace, batch, i, attended, workspace.Tokens.Current.SliceRows(0, attended.Rows));
            if (workspace.Plans[i] is { } plan) Merge(workspace, batch, i, plan);
            Transform(device, workspace, batch, i, workspace.Tokens.Current.SliceRows(0, rows));
            observer?.Invoke(i, workspace.Tokens.Current.SliceRows(0, rows), SizesAfter(workspace, batch, i));
            if (i == Config.Depth - 1) device.GatherRows(ClassRow, workspace.Tokens.Current.SliceRows(0, rows), workspace.ClassTokens.SliceRows(0, batch));
        }
        ForwardHead(device, workspace, batch);
    }

    /// <inheritdoc/>
    public override void Backward(VimDevice device, ClassifierWorkspace workspace, int batch, ParameterBuffer gradients)
    {
        var own = Own<DeitWorkspace>(workspace);
        CheckBatch(own, batch);
        CheckForTraining(own);
        BackwardHead(device, own, batch, gradients);
        for (int i = Config.Depth - 1; i >= 0; i--)
        {
            TransformGradient(device, own, batch, i, gradients);
            if (own.Plans[i] is { } plan) MergeGradient(own, batch, plan);
            AttendGradient(device, own, batch, i, gradients);
        }
        var patchTokensGradient = own.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.EmbedGradient(batch, own.Gradients.Tokens.Current.SliceRows(0, batch * Config.Tokens), patchTokensGradient, Tables(gradients.Values));
        device.LinearWeightGradient(patchTokensGradient, own.Patches.SliceRows(0, batch * Config.Patches), gradients[Parameters.Patch.Weight],
            gradients[Parameters.Patch.Bias]);
    }

    private void CheckBatch(DeitWorkspace workspace, int batch) => CheckBatch(workspace, batch, (workspace.Schedule, workspace.Options), (Schedule, Options));

    private void Embed(VimDevice device, DeitWorkspace workspace, int batch)
    {
        var patches = workspace.Patches.SliceRows(0, batch * Config.Patches);
        var patchTokens = workspace.PatchTokens.SliceRows(0, batch * Config.Patches);
        device.ExtractPatches(_geometry, workspace.Images.SliceRows(0, batch), patches);
        Linear(device, Parameters.Patch, patches, patchTokens);
        device.Embed(batch, Tables(Weights.Values), patchTokens, workspace.Tokens.Current.SliceRows(0, batch * Config.Tokens));
    }

    /// <summary>Attention(LN(x)), not yet projected.</summary>
    private DeviceMatrix Attend(VimDevice device, DeitWorkspace workspace, int batch, int block)
    {
        var (a, p) = (workspace.Blocks[block], Parameters.Blocks[block]);
        int rows = batch * Schedule.AttendedPerBlock[block];
        var tokens = workspace.Tokens.Current.SliceRows(0, rows);
        var (normed, qkv, attended) = (a.NormedInput.SliceRows(0, rows), a.Qkv.SliceRows(0, rows), a.Attended.SliceRows(0, rows));
        var sum = workspace.ForTraining ? a.Input.SliceRows(0, rows) : tokens;
        device.AddNorm(Norm(p.Norm1), tokens, default, sum, normed, a.InputStatistics.SliceRows(0, rows));
        Linear(device, p.Qkv, normed, qkv);
        workspace.Operators.Attention(batch, Config.Heads, qkv, SizesAfter(workspace, batch, block - 1), Probabilities(a, rows), attended);
        return attended;
    }

    /// <summary>The rest of the last block for the class tokens only, with the same bits: the head looks at nothing else, and no merge touches them.</summary>
    private void FinishClassTokens(VimDevice device, DeitWorkspace workspace, int batch, DeviceMatrix attended)
    {
        var (tokens, row) = (workspace.ClassTokens.SliceRows(0, batch), workspace.Features.SliceRows(0, batch));
        device.GatherRows(ClassRow, workspace.Tokens.Current.SliceRows(0, attended.Rows), tokens);
        device.GatherRows(ClassRow, attended, row);
        AddProjection(device, workspace, batch, Config.Depth - 1, row, tokens);
        Transform(device, workspace, batch, Config.Depth - 1, tokens);
    }

    /// <summary>Shortens tokens and sizes.</summary>
    private void Merge(DeitWorkspace workspace, int batch, int block, DeitMergePlan plan)
    {
        int rowsIn = batch * plan.TokensIn, rowsOut = batch * plan.TokensOut;
        var tokens = workspace.Tokens.Current.SliceRows(0, rowsIn);
        var metric = tokens;
        if (Options.Metric != DeitMetric.Tokens)
        {
            int part = Options.Metric switch { DeitMetric.Queries => 0, DeitMetric.Keys => 1, _ => 2 };
            metric = workspace.Metric.SliceRows(0, rowsIn);
            var compared = workspace.Blocks[block].Qkv.SliceRows(0, rowsIn).SliceColumns(part * Config.Width, Config.Width);
            workspace.Operators.MeanOfHeads(Config.Heads, compared, metric);
        }
        workspace.Operators.Match(batch, metric, SizesAfter(workspace, batch, block - 1), plan, workspace.Sizes.Other.SliceRows(0, rowsOut));
        workspace.Sizes.Swap();
        workspace.Operators.Merge(batch, plan, tokens, workspace.Tokens.Other.SliceRows(0, rowsOut));
        workspace.Tokens.Swap();
    }

    /// <summary>x ← x + MLP(LN(x)).</summary>
    private void Transform(VimDevice device, DeitWorkspace workspace, int batch, int block, DeviceMatrix tokens)
    {
        var (a, p, rows) = (workspace.Blocks[block], Parameters.Blocks[block], tokens.Rows);
        var (normed, hidden, activated) = (a.NormedMerged.SliceRows(0, rows), a.Hidden.SliceRows(0, rows), a.Activated.SliceRows(0, rows));
        var sum = workspace.ForTraining ? a.Merged.SliceRows(0, rows) : tokens;
        device.AddNorm(Norm(p.Norm2), tokens, default, sum, normed, a.MergedStatistics.SliceRows(0, rows));
        Linear(device, p.Hidden, normed, hidden);
        workspace.Operators.Gelu(hidden, activated);
        AddBranch(device, workspace, p.Output, activated, workspace.BranchFactors(MlpAddition(block), batch), tokens);
    }

    private void AddProjection(VimDevice device, DeitWorkspace workspace, int batch, int block, DeviceMatrix attended, DeviceMatrix tokens) =>
        AddBranch(device, workspace, Parameters.Blocks[block].Projection, attended, workspace.BranchFactors(AttentionAddition(block), batch), tokens);

    /// <summary>x ← x + f · branch, where <paramref name="layer"/> is the branch's last.</summary>
    private void AddBranch(VimDevice device, DeitWorkspace workspace, DeitLinear layer, DeviceMatrix input, DeviceMatrix factors, DeviceMatrix tokens)
    {
        if (factors.IsNone)
        {
            Linear(device, layer, input, tokens, accumulate: true);
            return;
        }
        var branch = workspace.Tokens.Other.SliceRows(0, tokens.Rows); // holds nothing between two merges
        Linear(device, layer, input, branch);
        device.ScaleImages(branch, factors, tokens, accumulate: true);
    }

    private void ForwardHead(VimDevice device, DeitWorkspace workspace, int batch)
    {
        var (tokens, features) = (workspace.ClassTokens.SliceRows(0, batch), workspace.Features.SliceRows(0, batch));
        device.AddNorm(Norm(Parameters.FinalNorm), tokens, default, tokens, features, workspace.ClassStatistics.SliceRows(0, batch));
        Linear(device, Parameters.Head, features, workspace.Logits.SliceRows(0, batch));
    }

    private void BackwardHead(VimDevice device, DeitWorkspace workspace, int batch, ParameterBuffer gradients)
    {
        var g = workspace.Gradients;
        var (features, tokens) = (g.Features.SliceRows(0, batch), g.ClassTokens.SliceRows(0, batch));
        LinearGradient(device, Parameters.Head, workspace.LogitsGradient.SliceRows(0, batch), workspace.Features.SliceRows(0, batch), features, gradients);
        tokens.Buffer.Clear();
        var (input, statistics) = (workspace.ClassTokens.SliceRows(0, batch), workspace.ClassStatistics.SliceRows(0, batch));
        NormGradient(device, Parameters.FinalNorm, input, statistics, features, tokens, gradients);
        device.ScatterRows(ClassRow, tokens, g.Tokens.Current.SliceRows(0, batch * Schedule.TokensPerBlock[^1]));
    }

    /// <summary>One matrix is the gradient of the residual stream: on entry after the step, on exit before it.</summary>
    private void TransformGradient(VimDevice device, DeitWorkspace workspace, int batch, int block, ParameterBuffer gradients)
    {
        var (a, p, g) = (workspace.Blocks[block], Parameters.Blocks[block], workspace.Gradients);
        int rows = batch * Schedule.TokensPerBlock[block];
        var (tokens, hidden, normed) = (g.Tokens.Current.SliceRows(0, rows), g.Hidden.SliceRows(0, rows), g.Normed.SliceRows(0, rows));
        var branch = BranchGradient(device, workspace, batch, MlpAddition(block), tokens);
        LinearGradient(device, p.Output, branch, a.Activated.SliceRows(0, rows), hidden, gradients);
        workspace.Operators.GeluGradient(a.Hidden.SliceRows(0, rows), hidden, hidden);
        LinearGradient(device, p.Hidden, hidden, a.NormedMerged.SliceRows(0, rows), normed, gradients);
        NormGradient(device, p.Norm2, a.Merged.SliceRows(0, rows), a.MergedStatistics.SliceRows(0, rows), normed, tokens, gradients);
    }

    private static void MergeGradient(DeitWorkspace workspace, int batch, DeitMergePlan plan)
    {
        var tokens = workspace.Gradients.Tokens;
        workspace.Operators.MergeGradient(batch, plan, tokens.Current.SliceRows(0, batch * plan.TokensOut), tokens.Other.SliceRows(0, batch * plan.TokensIn));
        tokens.Swap();
    }

    private void AttendGradient(VimDevice device, DeitWorkspace workspace, int batch, int block, ParameterBuffer gradients)
    {
        var (a, p, g) = (workspace.Blocks[block], Parameters.Blocks[block], workspace.Gradients);
        int rows = batch * Schedule.AttendedPerBlock[block];
        var (tokens, normed, qkv) = (g.Tokens.Current.SliceRows(0, rows), g.Normed.SliceRows(0, rows), g.Qkv.SliceRows(0, rows));
        var branch = BranchGradient(device, workspace, batch, AttentionAddition(block), tokens);
        LinearGradient(device, p.Projection, branch, a.Attended.SliceRows(0, rows), normed, gradients);
        workspace.Operators.AttentionGradient(batch, Config.Heads, a.Qkv.SliceRows(0, rows), Probabilities(a, rows), normed, qkv);
        LinearGradient(device, p.Qkv, qkv, a.NormedInput.SliceRows(0, rows), normed, gradients);
        NormGradient(device, p.Norm1, a.Input.SliceRows(0, rows), a.InputStatistics.SliceRows(0, rows), normed, tokens, gradients);
    }

    /// <summary>The gradient of a branch, where <paramref name="tokens"/> is that of the sum that it was added to.</summary>
    private static DeviceMatrix BranchGradient(VimDevice device, DeitWorkspace workspace, int batch, int addition, DeviceMatrix tokens)
    {
        var factors = workspace.BranchFactors(addition, batch);
        if (factors.IsNone) return tokens;
        var branch = workspace.Gradients.Tokens.Other.SliceRows(0, tokens.Rows);
        device.ScaleImages(tokens, factors, branch);
        return branch;
    }

    /// <summary>The place of the attention's addition among those of all blocks.</summary>
    private static int AttentionAddition(int block) => 2 * block;

    private static int MlpAddition(int block) => 2 * block + 1;

    private DeviceMatrix Probabilities(DeitBlockActivations activations, int rows) =>
        activations.Probabilities.IsNone ? default : activations.Probabilities.SliceRows(0, Config.Heads * rows);

    /// <summary>The sizes behind a block, −1 for the embedding; none where nothing was merged yet.</summary>
    private DeviceMatrix SizesAfter(DeitWorkspace workspace, int batch, int block) =>
        Schedule.IsDense || block < Schedule.Steps[0].Block ? default : workspace.Sizes.Current.SliceRows(0, batch * Schedule.TokensPerBlock[block]);

    private void Linear(VimDevice device, DeitLinear layer, DeviceMatrix x, DeviceMatrix y, bool accumulate = false) =>
        device.Linear(x, Weights.LinearOf(layer.Weight), Weights[layer.Bias], y, accumulate);

    private void LinearGradient(VimDevice device, DeitLinear layer, DeviceMatrix dy, DeviceMatrix x, DeviceMatrix dx, ParameterBuffer gradients)
    {
        device.LinearWeightGradient(dy, x, gradients[layer.Weight], gradients[layer.Bias]);
        device.LinearInputGradient(dy, Weights.LinearOf(layer.Weight), dx);
    }

    private void NormGradient(
        VimDevice device, DeitNorm norm, DeviceMatrix x, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix dx, ParameterBuffer gradients) =>
        device.AddNormGradient(Norm(norm), x, statistics, dy, dx, gradients[norm.Weight], gradients[norm.Bias]);

    private EmbeddingTables Tables(DeviceBuffer values) => new()
    {
        ClassRow = ClassRow,
        ClassToken = DeviceWeights.View(values, Parameters.ClassToken),
        Positions = DeviceWeights.View(values, Parameters.Positions),
    };

    private NormOperands Norm(DeitNorm norm) =>
        new() { Kind = NormKind.Layer, Epsilon = Config.NormEpsilon, Weight = Weights[norm.Weight], Bias = Weights[norm.Bias] };
}

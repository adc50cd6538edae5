using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// All activations of one worker, laid out once for an architecture, a schedule and a largest batch, and used again for every batch. For training it keeps
/// what the backward pass needs of every block; for inference the blocks share one set.
/// </summary>
public sealed class Workspace : ClassifierWorkspace
{
    private readonly TokenShuffle? _shuffle;
    private readonly SampleKey[] _shuffleKeys;

    /// <summary>Allocates everything.</summary>
    /// <param name="device">Where.</param>
    /// <param name="config">Architecture.</param>
    /// <param name="schedule">Merges.</param>
    /// <param name="options">How merges choose and combine.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    /// <param name="forTraining">True: room for <see cref="ClassifierNetwork.Backward"/>.</param>
    /// <param name="dropPath">Stochastic depth; none unless given.</param>
    public Workspace(
        VimDevice device, VimConfig config, MergeSchedule schedule, MergeOptions options, int batchCapacity, bool forTraining, DropPath dropPath = default)
        : base(device, batchCapacity, forTraining, config.InputLength, config.Classes)
    {
        Schedule = schedule;
        Options = options;
        var (b, l, c) = (batchCapacity, config.Tokens, config.Width);

        Patches = Matrix(b * config.Patches, config.PatchLength);
        PatchTokens = Matrix(b * config.Patches, c);
        Hidden = new(Matrix(b * l, c), Matrix(b * l, c));
        Residual = new(Matrix(b * l, c), Matrix(b * l, c));
        Sizes = new(Matrix(b * l, 1), Matrix(b * l, 1));
        Head = new HeadActivations(Matrix, config, b, HeadActivations.RowsPerImage(config, schedule), forTraining);

        var blocks = new BlockActivations[config.Depth];
        BlockActivations? shared = null;
        for (int i = 0; i < blocks.Length; i++)
        {
            if (forTraining) blocks[i] = new BlockActivations(device, config, b, schedule.TokensPerBlock[i], true, Matrix, Own);
            else blocks[i] = shared ??= new BlockActivations(device, config, b, l, false, Matrix, Own);
        }
        Blocks = blocks;
        if (!schedule.IsDense)
        {
            if (options.Metric != MergeMetric.HiddenState) Evidence = new MergeEvidence(Matrix, config, options, b * l);
            if (options.ShuffleRate > 0) _shuffle = new TokenShuffle(options, l);
        }
        _shuffleKeys = new SampleKey[b];
        Array.Fill(_shuffleKeys, new SampleKey(options.ShuffleSeed, 0, 0));
        DropPath = DropPathFactors.Create(Matrix, dropPath, dropPath.VimRates(config.Depth), b);
        Plans = [.. Enumerable.Range(0, config.Depth).Select(i => schedule.At(i) is { } step ? Own(device.CreateMergePlan(b, step, options)) : null)];

        if (!forTraining) return;
        Gradient = new(Matrix(b * l, c), Matrix(b * l, c));
        MixerGradient = new MixerGradients(Matrix, config, b * l);
        if (schedule.IsDense || !options.HasWinners) return;
        HiddenGradient = Matrix(b * l, c);
        Winners = [.. Enumerable.Range(0, config.Depth).Select(i =>
            schedule.At(i) is { } step ? new MergeWinners(Matrix(b * step.TokensOut, c), Matrix(b * step.TokensOut, c)) : null)];
    }

    /// <summary>The merges that it was laid out for.</summary>
    public MergeSchedule Schedule { get; }

    /// <summary>How these merges choose and combine.</summary>
    public MergeOptions Options { get; }

    /// <inheritdoc/>
    public override DeviceMatrix Features => Head.Feature;

    /// <summary>The plan of the merge at the entry of each block, or null.</summary>
    public IReadOnlyList<MergePlan?> Plans { get; }

    internal DeviceMatrix Patches { get; }

    internal DeviceMatrix PatchTokens { get; }

    internal MatrixPair Hidden { get; }

    internal MatrixPair Residual { get; }

    internal MatrixPair Sizes { get; }

    internal HeadActivations Head { get; }

    internal IReadOnlyList<BlockActivations> Blocks { get; }

    /// <summary>What the next merge compares tokens by; null where that is the hidden state, or there is no merge.</summary>
    internal MergeEvidence? Evidence { get; }

    /// <summary>True: the row orders of shuffled merges are those that the caller gave to the plans, not drawn anew at every forward pass.</summary>
    internal bool KeepsRowOrders { get; set; }

    internal MatrixPair Gradient { get; } = null!;

    /// <summary>
    /// Gradient of the hidden state that enters a merge, where the winners of largest or smallest values make it another one than the residual's; none
    /// otherwise. Training only.
    /// </summary>
    internal DeviceMatrix HiddenGradient { get; }

    /// <summary>Who won at the merge at the entry of each block; empty where nothing is contested.</summary>
    internal IReadOnlyList<MergeWinners?> Winners { get; } = [];

    internal MixerGradients MixerGradient { get; } = null!;

    /// <inheritdoc/>
    public override void SetSampleKey(int image, SampleKey key)
    {
        base.SetSampleKey(image, key);
        _shuffleKeys[image] = key;
    }

    /// <inheritdoc/>
    internal override void DrawChoices(int batch)
    {
        base.DrawChoices(batch);
        if (_shuffle is null || KeepsRowOrders) return;
        for (int image = 0; image < batch; image++) _shuffle.Apply(Plans, image, _shuffleKeys[image]);
    }
}

/// <summary>For every value of a merged sequence [B·L', C] the row that it came from.</summary>
/// <param name="Hidden">Of the hidden state.</param>
/// <param name="Residual">Of the residual stream.</param>
internal sealed record MergeWinners(DeviceMatrix Hidden, DeviceMatrix Residual);

/// <summary>What one block computes, and what its backward pass reads. Shapes are those of the largest batch; M = B·L.</summary>
internal sealed class BlockActivations
{
    public BlockActivations(VimDevice device, VimConfig config, int batch, int tokens, bool forTraining, Func<int, int, DeviceMatrix> matrix,
        Func<DeviceBuffer, DeviceBuffer> own)
    {
        int rows = batch * tokens;
        Sum = forTraining ? matrix(rows, config.Width) : default;
        Statistics = matrix(rows, 2);
        Normed = matrix(rows, config.Width);
        Input = matrix(rows, 2 * config.InnerWidth);
        ScanOutput = matrix(rows, config.InnerWidth);
        Unscaled = forTraining && config.LayerScale ? matrix(rows, config.Width) : default;
        Forward = new(matrix, config, rows, Checkpoints());
        Backward = forTraining ? new(matrix, config, rows, Checkpoints()) : Forward;

        DeviceBuffer? Checkpoints() =>
            forTraining ? own(device.Allocate(device.ScanCheckpointLength(batch, tokens, config.InnerWidth, config.StateSize))) : null;
    }

    /// <summary>Residual after the add [M, C]; training only, otherwise the residual is updated in place.</summary>
    public DeviceMatrix Sum { get; }

    /// <summary>[M, 2]</summary>
    public DeviceMatrix Statistics { get; }

    /// <summary>Input of the mixer [M, C].</summary>
    public DeviceMatrix Normed { get; }

    /// <summary>x and z side by side [M, 2D].</summary>
    public DeviceMatrix Input { get; }

    /// <summary>Gated scan output of both directions together [M, D].</summary>
    public DeviceMatrix ScanOutput { get; }

    /// <summary>Output of the mixer before the layer scale [M, C], where there is one.</summary>
    public DeviceMatrix Unscaled { get; }

    public DirectionActivations Forward { get; }

    public DirectionActivations Backward { get; }
}

/// <summary>What one scan direction computes.</summary>
internal sealed class DirectionActivations(Func<int, int, DeviceMatrix> matrix, VimConfig config, int rows, DeviceBuffer? checkpoints)
{
    /// <summary>u [M, D]</summary>
    public DeviceMatrix Convolved { get; } = matrix(rows, config.InnerWidth);

    /// <summary>Low-rank Δ, B and C side by side [M, R + 2N].</summary>
    public DeviceMatrix Projected { get; } = matrix(rows, config.ProjectionWidth);

    /// <summary>Δ before bias and softplus [M, D].</summary>
    public DeviceMatrix DeltaRaw { get; } = matrix(rows, config.InnerWidth);

    public DeviceBuffer? Checkpoints { get; } = checkpoints;
}

/// <summary>The tokens that the head reads, R an image, and their final norm.</summary>
internal sealed class HeadActivations
{
    public HeadActivations(Func<int, int, DeviceMatrix> matrix, VimConfig config, int batch, int rowsPerImage, bool forTraining)
    {
        var (rows, c) = (batch * rowsPerImage, config.Width);
        bool gathers = !ReadsAll(config);
        if (gathers) Hidden = matrix(rows, c);
        Sum = matrix(rows, c);
        Statistics = matrix(rows, 2);
        Normed = matrix(rows, c);
        Feature = rowsPerImage == 1 ? Normed : matrix(batch, c);
        if (!forTraining) return;
        NormedGradient = matrix(rows, c);
        FeatureGradient = rowsPerImage == 1 ? NormedGradient : matrix(batch, c);
        if (gathers) SumGradient = matrix(rows, c);
    }

    /// <summary>True where the head reads the mean of all tokens: it works on them where they are.</summary>
    public static bool ReadsAll(VimConfig config) => config.ClassToken == ClassTokenPosition.None && config.Pooling == TokenPooling.Mean;

    /// <summary>R: one, or two where there is a class token at both ends, or all for the mean.</summary>
    public static int RowsPerImage(VimConfig config, MergeSchedule schedule) =>
        ReadsAll(config) ? schedule.TokensPerBlock[^1] : config.ClassToken == ClassTokenPosition.Ends ? 2 : 1;

    /// <summary>Mixer output of the tokens read [B·R, C], unless all are.</summary>
    public DeviceMatrix Hidden { get; }

    /// <summary>Their residual stream, first before, then after the last add [B·R, C].</summary>
    public DeviceMatrix Sum { get; }

    /// <summary>[B·R, 2]</summary>
    public DeviceMatrix Statistics { get; }

    /// <summary>After the norm [B·R, C].</summary>
    public DeviceMatrix Normed { get; }

    /// <summary>Their mean [B, C]; <see cref="Normed"/> itself where there is one row an image.</summary>
    public DeviceMatrix Feature { get; }

    public DeviceMatrix NormedGradient { get; }

    public DeviceMatrix FeatureGradient { get; }

    public DeviceMatrix SumGradient { get; }
}

/// <summary>Gradients of a mixer's activations, shared by all blocks.</summary>
internal sealed class MixerGradients(Func<int, int, DeviceMatrix> matrix, VimConfig config, int rows)
{
    public DeviceMatrix Unscaled { get; } = config.LayerScale ? matrix(rows, config.Width) : default;

    public DeviceMatrix ScanOutput { get; } = matrix(rows, config.InnerWidth);

    public DeviceMatrix Convolved { get; } = matrix(rows, config.InnerWidth);

    public DeviceMatrix Projected { get; } = matrix(rows, config.ProjectionWidth);

    public DeviceMatrix DeltaRaw { get; } = matrix(rows, config.InnerWidth);

    public DeviceMatrix Input { get; } = matrix(rows, 2 * config.InnerWidth);

    public DeviceMatrix Normed { get; } = matrix(rows, config.Width);
}

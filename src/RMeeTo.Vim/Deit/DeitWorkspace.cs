using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// All activations of one worker of a DeiT. For training it keeps what the backward pass needs of every block; for inference the blocks share one set.
/// </summary>
public sealed class DeitWorkspace : ClassifierWorkspace
{
    /// <summary>Allocates everything.</summary>
    /// <param name="device">Where: the CPU.</param>
    /// <param name="config">Architecture.</param>
    /// <param name="schedule">Merges.</param>
    /// <param name="options">How merges choose and combine.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    /// <param name="forTraining">True: room for the backward pass.</param>
    /// <param name="dropPath">Stochastic depth; none unless given.</param>
    /// <exception cref="NotSupportedException">The device is not the CPU.</exception>
    public DeitWorkspace(VimDevice device, DeitConfig config, DeitMergeSchedule schedule, DeitMergeOptions options, int batchCapacity, bool forTraining,
        DropPath dropPath = default)
        : base(device, batchCapacity, forTraining, config.InputLength, config.Classes)
    {
        Operators = Own(DeitOperators.For(device));
        (Schedule, Options) = (schedule, options);
        var (b, l, c) = (batchCapacity, config.Tokens, config.Width);
        Patches = Matrix(b * config.Patches, config.PatchLength);
        PatchTokens = Matrix(b * config.Patches, c);
        Tokens = new(Matrix(b * l, c), Matrix(b * l, c));
        Sizes = new(Matrix(b * l, 1), Matrix(b * l, 1));
        Metric = options.Metric == DeitMetric.Tokens ? default : Matrix(b * l, config.HeadWidth);
        (ClassTokens, Features, ClassStatistics) = (Matrix(b, c), Matrix(b, c), Matrix(b, 2));

        DropPath = DropPathFactors.Create(Matrix, dropPath, dropPath.DeitRates(config.Depth), b);

        var blocks = new DeitBlockActivations[config.Depth];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = !forTraining && i > 0 ? blocks[0] : new DeitBlockActivations(Matrix, config, b, schedule.AttendedPerBlock[i],
                schedule.TokensPerBlock[i], forTraining);
        Blocks = blocks;
        Plans = [.. Enumerable.Range(0, config.Depth).Select(i =>
            schedule.At(i) is { } step ? new DeitMergePlan(b, step.TokensIn, step.Removed, options) : null)];

        if (forTraining) Gradients = new DeitGradients(Matrix, config, b);
    }

    /// <summary>The merges that it was laid out for.</summary>
    public DeitMergeSchedule Schedule { get; }

    /// <summary>How these merges choose and combine.</summary>
    public DeitMergeOptions Options { get; }

    /// <inheritdoc/>
    public override DeviceMatrix Features { get; }

    internal DeitOperators Operators { get; }

    internal DeviceMatrix Patches { get; }

    internal DeviceMatrix PatchTokens { get; }

    /// <summary>The residual stream [B·L, C].</summary>
    internal MatrixPair Tokens { get; }

    internal MatrixPair Sizes { get; }

    /// <summary>[B·L, C / H], where tokens are not compared by themselves.</summary>
    internal DeviceMatrix Metric { get; }

    /// <summary>Class tokens after the last block [B, C].</summary>
    internal DeviceMatrix ClassTokens { get; }

    internal DeviceMatrix ClassStatistics { get; }

    internal IReadOnlyList<DeitBlockActivations> Blocks { get; }

    internal IReadOnlyList<DeitMergePlan?> Plans { get; }

    internal DeitGradients Gradients { get; } = null!;
}

/// <summary>What one block computes, and what its backward pass reads. Shapes are those of the largest batch.</summary>
/// <param name="matrix">Allocates.</param>
/// <param name="config">Architecture.</param>
/// <param name="batch">B.</param>
/// <param name="attended">L, tokens of the attention.</param>
/// <param name="tokens">L', tokens of the MLP.</param>
/// <param name="forTraining">True: what only the backward pass needs is kept.</param>
internal sealed class DeitBlockActivations(Func<int, int, DeviceMatrix> matrix, DeitConfig config, int batch, int attended, int tokens, bool forTraining)
{
    private readonly DeviceMatrix _activated = forTraining ? matrix(batch * tokens, config.MlpWidth) : default;

    /// <summary>Input of the first norm [B·L, C]; training only.</summary>
    public DeviceMatrix Input { get; } = forTraining ? matrix(batch * attended, config.Width) : default;

    /// <summary>[B·L, 2]</summary>
    public DeviceMatrix InputStatistics { get; } = matrix(batch * attended, 2);

    /// <summary>Input of the attention [B·L, C].</summary>
    public DeviceMatrix NormedInput { get; } = matrix(batch * attended, config.Width);

    /// <summary>Queries, keys and values side by side [B·L, 3C].</summary>
    public DeviceMatrix Qkv { get; } = matrix(batch * attended, 3 * config.Width);

    /// <summary>[B·H·L, L and what fills it up]; training only.</summary>
    public DeviceMatrix Probabilities { get; } = forTraining ? matrix(batch * config.Heads * attended, DeitOperators.ProbabilityColumns(attended)) : default;

    /// <summary>Output of the attention before its projection [B·L, C].</summary>
    public DeviceMatrix Attended { get; } = matrix(batch * attended, config.Width);

    /// <summary>Input of the second norm, after the merge [B·L', C]; training only.</summary>
    public DeviceMatrix Merged { get; } = forTraining ? matrix(batch * tokens, config.Width) : default;

    /// <summary>[B·L', 2]</summary>
    public DeviceMatrix MergedStatistics { get; } = matrix(batch * tokens, 2);

    /// <summary>Input of the MLP [B·L', C].</summary>
    public DeviceMatrix NormedMerged { get; } = matrix(batch * tokens, config.Width);

    /// <summary>Hidden layer of the MLP before the GELU [B·L', 4C].</summary>
    public DeviceMatrix Hidden { get; } = matrix(batch * tokens, config.MlpWidth);

    /// <summary>After the GELU [B·L', 4C]; for inference it is the same matrix.</summary>
    public DeviceMatrix Activated => _activated.IsNone ? Hidden : _activated;
}

/// <summary>Gradients of activations, shared by all blocks.</summary>
/// <param name="matrix">Allocates.</param>
/// <param name="config">Architecture.</param>
/// <param name="batch">B.</param>
internal sealed class DeitGradients(Func<int, int, DeviceMatrix> matrix, DeitConfig config, int batch)
{
    public MatrixPair Tokens { get; } = new(matrix(batch * config.Tokens, config.Width), matrix(batch * config.Tokens, config.Width));

    public DeviceMatrix Normed { get; } = matrix(batch * config.Tokens, config.Width);

    public DeviceMatrix Qkv { get; } = matrix(batch * config.Tokens, 3 * config.Width);

    public DeviceMatrix Hidden { get; } = matrix(batch * config.Tokens, config.MlpWidth);

    public DeviceMatrix Features { get; } = matrix(batch, config.Width);

    public DeviceMatrix ClassTokens { get; } = matrix(batch, config.Width);
}

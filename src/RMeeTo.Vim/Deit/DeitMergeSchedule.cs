namespace RMeeTo.Vim.Deit;

/// <summary>One merge inside a block of a DeiT, between attention and MLP.</summary>
/// <param name="Block">Index of the block.</param>
/// <param name="TokensIn">Tokens that the attention sees.</param>
/// <param name="Removed">Tokens removed, at least 1.</param>
public sealed record DeitMergeStep(int Block, int TokensIn, int Removed)
{
    /// <summary>Tokens that the MLP and the next block see.</summary>
    public int TokensOut => TokensIn - Removed;
}

/// <summary>
/// How many tokens each block of a DeiT removes, and what follows from it. The same for every image, so every shape is known before the first image.
/// </summary>
/// <remarks>Spec 2.8: every block merges, the first one too; at most half of the patch tokens go at one merge, and the class token never goes.</remarks>
public sealed class DeitMergeSchedule
{
    private readonly DeitMergeStep?[] _stepAtBlock;

    private DeitMergeSchedule(DeitConfig config, IReadOnlyList<int> requested)
    {
        RemovedPerBlock = requested;
        InputTokens = config.Tokens;
        _stepAtBlock = new DeitMergeStep?[config.Depth];
        var (attended, after) = (new int[config.Depth], new int[config.Depth]);
        int length = config.Tokens;
        for (int i = 0; i < config.Depth; i++)
        {
            attended[i] = length;
            int removed = Math.Min(requested[i], (length - 1) / 2);
            if (removed > 0) _stepAtBlock[i] = new DeitMergeStep(i, length, removed);
            after[i] = length -= removed;
        }
        (AttendedPerBlock, TokensPerBlock) = (attended, after);
        Steps = [.. _stepAtBlock.OfType<DeitMergeStep>()];
    }

    /// <summary>The number asked for per block, before the cap at half. What a model file stores.</summary>
    public IReadOnlyList<int> RemovedPerBlock { get; }

    /// <summary>Tokens before the first merge.</summary>
    public int InputTokens { get; }

    /// <summary>Tokens that the attention of each block sees.</summary>
    public IReadOnlyList<int> AttendedPerBlock { get; }

    /// <summary>Tokens after the merge of each block: what its MLP sees.</summary>
    public IReadOnlyList<int> TokensPerBlock { get; }

    /// <summary>The merges that do remove something, first to last.</summary>
    public IReadOnlyList<DeitMergeStep> Steps { get; }

    /// <summary>
    /// Share of all token places in the attention of all blocks that the merges save, as the paper counts it: 5.5 r / 197 for 12 blocks at 224 pixels.
    /// </summary>
    public double ReductionRatio => 1 - AttendedPerBlock.Average() / InputTokens;

    /// <summary>True where no block removes anything.</summary>
    public bool IsDense => Steps.Count == 0;

    /// <summary>The merge inside <paramref name="block"/>, or null.</summary>
    /// <param name="block">0 to the number of blocks − 1.</param>
    public DeitMergeStep? At(int block) => _stepAtBlock[block];

    /// <summary>No merges: the plain network.</summary>
    /// <param name="config">The network.</param>
    public static DeitMergeSchedule Dense(DeitConfig config) => Uniform(config, 0);

    /// <summary>The paper's schedule: <paramref name="tokensPerMerge"/> tokens in every block.</summary>
    /// <param name="config">The network.</param>
    /// <param name="tokensPerMerge">r, tokens removed a merge; 0 is the plain network. Capped at half of the patch tokens where the sequence gets
    /// short.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokensPerMerge"/> is negative.</exception>
    public static DeitMergeSchedule Uniform(DeitConfig config, int tokensPerMerge)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(tokensPerMerge);
        var removed = new int[config.Depth];
        removed.AsSpan().Fill(tokensPerMerge);
        return Custom(config, removed);
    }

    /// <summary>Any number of tokens at any block.</summary>
    /// <param name="config">The network.</param>
    /// <param name="removedPerBlock">Tokens removed inside each block.</param>
    /// <exception cref="ArgumentException">Wrong length or a negative number; or <paramref name="config"/> contradicts itself.</exception>
    public static DeitMergeSchedule Custom(DeitConfig config, IReadOnlyList<int> removedPerBlock)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(removedPerBlock);
        config.Validate();
        if (removedPerBlock.Count != config.Depth)
            throw new ArgumentException($"The schedule has {removedPerBlock.Count} entries and the network {config.Depth} blocks; give one number a "
                + "block.", nameof(removedPerBlock));
        if (removedPerBlock.FirstOrDefault(removed => removed < 0) is < 0 and int negative)
            throw new ArgumentException($"The schedule removes {negative} tokens at a block; no number may be negative.", nameof(removedPerBlock));
        return new DeitMergeSchedule(config, [.. removedPerBlock]);
    }

    /// <summary>Checks that this is a schedule for a network.</summary>
    /// <exception cref="ArgumentException">It is for another.</exception>
    internal void ThrowIfNotFor(DeitConfig config, string name)
    {
        if ((InputTokens, TokensPerBlock.Count) == (config.Tokens, config.Depth)) return;
        throw new ArgumentException($"The schedule is for {InputTokens} tokens and {TokensPerBlock.Count} blocks; the network has {config.Tokens} tokens and "
            + $"{config.Depth} blocks. Make the schedule from the network's DeitConfig.", name);
    }

    /// <summary>For example "197 → 101 tokens, 12 merges, reduction ratio 0.22".</summary>
    public override string ToString() => IsDense
        ? $"{InputTokens} tokens, no merges"
        : FormattableString.Invariant(
            $"{InputTokens} → {TokensPerBlock[^1]} tokens, {Steps.Count} merge{(Steps.Count == 1 ? "" : "s")}, reduction ratio {ReductionRatio:0.00}");
}

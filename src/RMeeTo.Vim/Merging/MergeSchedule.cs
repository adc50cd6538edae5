namespace RMeeTo.Vim.Merging;

/// <summary>One merge: how many tokens it removes and where the class token stands before and after.</summary>
/// <param name="Block">The merge happens at the entry of this block.</param>
/// <param name="TokensIn">Tokens before.</param>
/// <param name="Removed">Tokens removed, at least 1.</param>
/// <param name="ClassRowIn">Row of the class token before.</param>
/// <param name="ClassRowOut">Row of the class token after.</param>
public sealed record MergeStep(int Block, int TokensIn, int Removed, int ClassRowIn, int ClassRowOut)
{
    /// <summary>Tokens after.</summary>
    public int TokensOut => TokensIn - Removed;
}

/// <summary>
/// How many tokens each block of a network removes, and what follows from it: tokens per block, class row per block, reduction ratio. The same for every image, so
/// every shape is known before the first image.
/// </summary>
/// <remarks>Spec 2.5 to 2.7. At most half of the patch tokens go at one merge; the class token never goes.</remarks>
public sealed class MergeSchedule
{
    private readonly MergeStep?[] _stepAtBlock;

    private MergeSchedule(VimConfig config, IReadOnlyList<int> requested, MergeOrder order)
    {
        RemovedPerBlock = requested;
        Order = order;
        _stepAtBlock = new MergeStep?[config.Depth];
        var tokens = new int[config.Depth];
        var classRows = new int[config.Depth];
        var (length, row) = (config.Tokens, config.ClassRow);
        for (int i = 0; i < config.Depth; i++)
        {
            int removed = Math.Min(requested[i], (length - 1) / 2);
            if (removed > 0)
            {
                var step = new MergeStep(i, length, removed, row, NextClassRow(row, length, removed, order));
                _stepAtBlock[i] = step;
                (length, row) = (step.TokensOut, step.ClassRowOut);
            }
            (tokens[i], classRows[i]) = (length, row);
        }
        TokensPerBlock = tokens;
        ClassRowPerBlock = classRows;
        Steps = [.. _stepAtBlock.OfType<MergeStep>()];
        InputTokens = config.Tokens;
        InputClassRow = config.ClassRow;
    }

    /// <summary>The number asked for per block, before the cap at half. What a model file stores.</summary>
    public IReadOnlyList<int> RemovedPerBlock { get; }

    /// <summary>The order that the class rows were computed for.</summary>
    public MergeOrder Order { get; }

    /// <summary>Tokens before the first merge.</summary>
    public int InputTokens { get; }

    /// <summary>Class row before the first merge.</summary>
    public int InputClassRow { get; }

    /// <summary>Tokens that each block processes.</summary>
    public IReadOnlyList<int> TokensPerBlock { get; }

    /// <summary>Class row in each block.</summary>
    public IReadOnlyList<int> ClassRowPerBlock { get; }

    /// <summary>The merges that do remove something, first to last.</summary>
    public IReadOnlyList<MergeStep> Steps { get; }

    /// <summary>The class row after the last block, from which the head reads.</summary>
    public int FinalClassRow => ClassRowPerBlock[^1];

    /// <summary>Share of all token places in all blocks that the merges save: 0.14 for Vim-Tiny at 5 tokens a merge.</summary>
    public double ReductionRatio => 1 - TokensPerBlock.Average() / InputTokens;

    /// <summary>True where no block removes anything.</summary>
    public bool IsDense => Steps.Count == 0;

    /// <summary>The merge at the entry of <paramref name="block"/>, or null.</summary>
    /// <param name="block">0 to the number of blocks − 1.</param>
    public MergeStep? At(int block) => _stepAtBlock[block];

    /// <summary>No merges: the plain network.</summary>
    /// <param name="config">The network.</param>
    public static MergeSchedule Dense(VimConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Custom(config, new int[config.Depth]);
    }

    /// <summary>The paper's schedule: <paramref name="tokensPerMerge"/> tokens at the entry of blocks 2, 4, 6, … .</summary>
    /// <param name="config">The network.</param>
    /// <param name="tokensPerMerge">r, tokens removed a merge; 0 is the plain network. Capped at half of the patch tokens where the sequence gets short.</param>
    /// <param name="interval">Blocks from a merge to the next, at least 1.</param>
    /// <param name="odd">Merge where (block + 1) mod interval = 0 instead of block mod interval = 0.</param>
    /// <param name="order">Order of the tokens after a merge; it decides how the class row moves.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokensPerMerge"/> is negative, or <paramref name="interval"/> is not positive.</exception>
    public static MergeSchedule Uniform(VimConfig config, int tokensPerMerge, int interval = 2, bool odd = false, MergeOrder order = MergeOrder.Original)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(tokensPerMerge);
        if (interval < 1) throw new ArgumentOutOfRangeException(nameof(interval), interval, $"interval is {interval}; it must be at least 1.");
        var removed = new int[config.Depth];
        for (int i = 1; i < removed.Length; i++)
            if ((odd ? i + 1 : i) % interval == 0) removed[i] = tokensPerMerge;
        return Custom(config, removed, order);
    }

    /// <summary>
    /// The schedule of the published code, which differs from <see cref="Uniform"/> at the last merge: there it cuts the sequence to 197 − 11 · compare tokens, whatever
    /// <paramref name="tokensPerMerge"/> is. At 224 pixels both are the same where <paramref name="compare"/> equals <paramref name="tokensPerMerge"/>.
    /// </summary>
    /// <remarks>Spec 2.5. For comparison with the published code only.</remarks>
    /// <param name="config">The network.</param>
    /// <param name="tokensPerMerge">r, tokens removed a merge.</param>
    /// <param name="compare">The published option <c>compare</c>, 11 by default there.</param>
    /// <param name="interval">Blocks from a merge to the next.</param>
    /// <param name="odd">Merge where (block + 1) mod interval = 0.</param>
    /// <param name="order">Order of the tokens after a merge.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokensPerMerge"/> is negative, or <paramref name="interval"/> is not positive.</exception>
    public static MergeSchedule Reference(VimConfig config, int tokensPerMerge, int compare = 11, int interval = 2, bool odd = false, MergeOrder order = MergeOrder.Original)
    {
        int[] removed = [.. Uniform(config, tokensPerMerge, interval, odd).RemovedPerBlock];
        int tokens = config.Tokens;
        for (int i = 1; i < removed.Length; i++)
        {
            bool merges = (odd ? i + 1 : i) % interval == 0;
            if (merges && config.Depth - i <= interval) removed[i] = Math.Max(0, tokens - (197 - 11 * compare));
            tokens -= Math.Min(removed[i], (tokens - 1) / 2);
        }
        return Custom(config, removed, order);
    }

    /// <summary>Any number of tokens at any block but the first.</summary>
    /// <param name="config">The network.</param>
    /// <param name="removedPerBlock">Tokens removed at the entry of each block; the first must be 0, for nothing has been computed there to match by.</param>
    /// <param name="order">Order of the tokens after a merge.</param>
    /// <exception cref="ArgumentException">Wrong length, a negative number, or a merge at block 0; or <paramref name="config"/> contradicts itself.</exception>
    public static MergeSchedule Custom(VimConfig config, IReadOnlyList<int> removedPerBlock, MergeOrder order = MergeOrder.Original)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(removedPerBlock);
        config.Validate();
        if (removedPerBlock.Count != config.Depth)
            throw new ArgumentException($"The schedule has {removedPerBlock.Count} entries and the network {config.Depth} blocks; give one number a block.", nameof(removedPerBlock));
        for (int i = 0; i < removedPerBlock.Count; i++)
            if (removedPerBlock[i] < 0 || (i == 0 && removedPerBlock[i] != 0))
                throw new ArgumentException($"The schedule removes {removedPerBlock[i]} tokens at block {i}; block 0 cannot merge and no number may be negative.", nameof(removedPerBlock));
        // The published code merges around one class token, and its formula for the class row has no second.
        if (config.ClassToken == ClassTokenPosition.Ends && removedPerBlock.Any(n => n > 0))
            throw new ArgumentException($"The schedule removes {removedPerBlock.Sum()} tokens and the network has a class token at both ends, around which tokens cannot merge; use MergeSchedule.Dense, or a network with one class token.", nameof(removedPerBlock));
        return new MergeSchedule(config, [.. removedPerBlock], order);
    }

    /// <summary>
    /// The schedule that loses least at a given speed, to be found by <see cref="Analysis.ScheduleSearch"/> on images of one's own, or while fitting in a pipeline.
    /// </summary>
    /// <param name="speedup">Arithmetic of the un-merged network over that of the merged one, above 1 and at most 20: 1.4 takes 29 % of the arithmetic away.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="speedup"/> is out of range.</exception>
    public static ScheduleTarget ForSpeedup(double speedup) => ScheduleTarget.ForSpeedup(speedup);

    /// <summary>The fastest schedule that loses no more than a given accuracy before re-training, to be found as with <see cref="ForSpeedup"/>.</summary>
    /// <param name="loss">Top-1 that may be lost, as a share of the images, from 0 to below 1: 0.01 is one point.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="loss"/> is out of range.</exception>
    public static ScheduleTarget ForAccuracyLoss(double loss) => ScheduleTarget.ForAccuracyLoss(loss);

    /// <summary>The class row after a merge, by the paper's formula (spec 2.3): proportional, rounded down. In odd–even order never beyond the unmerged tokens.</summary>
    internal static int NextClassRow(int row, int tokens, int removed, MergeOrder order)
    {
        // In 64 bits: from 46,341 tokens on the product is beyond an int.
        if (order == MergeOrder.Original) return (int)((long)row * (tokens - removed) / tokens);
        int even = tokens / 2; // tokens at even places once the class token is taken out: ceil((tokens − 1) / 2)
        return (int)Math.Min((long)row * (even - removed) / even, even - removed);
    }

    /// <summary>For example "197 → 142 tokens, 11 merges, reduction ratio 0.14".</summary>
    public override string ToString() => IsDense
        ? $"{InputTokens} tokens, no merges"
        : $"{InputTokens} → {TokensPerBlock[^1]} tokens, {Steps.Count} merges, reduction ratio {ReductionRatio:0.00}";
}

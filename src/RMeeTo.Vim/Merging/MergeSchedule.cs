namespace RMeeTo.Vim.Merging;

/// <summary>
/// How many tokens each block of a network removes, and what follows from it: tokens per block, class row per block, reduction ratio. The same for every image,
/// so every shape is known before the first image.
/// </summary>
/// <remarks>
/// Spec 2.5 to 2.7. At most half of the patch tokens go at one merge, fewer where neighbours of the class token are protected; the class token never goes.
/// </remarks>
public sealed class MergeSchedule
{
    private readonly MergeStep?[] _stepAtBlock;

    private MergeSchedule(VimConfig config, IReadOnlyList<int> requested, MergeOptions merging)
    {
        RemovedPerBlock = requested;
        (Order, ProtectedNeighbours) = (merging.Order, merging.ProtectedNeighbours);
        _stepAtBlock = new MergeStep?[config.Depth];
        var tokens = new int[config.Depth];
        var classRows = new int[config.Depth];
        var (length, row) = (config.Tokens, config.ClassRow);
        for (int i = 0; i < config.Depth; i++)
        {
            int removed = Math.Min(requested[i], Removable(length, row, ProtectedNeighbours));
            if (removed > 0)
            {
                var step = new MergeStep(i, length, removed, row, NextClassRow(row, length, removed, Order));
                merging.Check(step);
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

    /// <summary>The number of protected neighbours (<see cref="MergeOptions.ProtectedNeighbours"/>) that the cap was computed for.</summary>
    public int ProtectedNeighbours { get; }

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
    /// <param name="tokensPerMerge">r, tokens removed a merge; 0 is the plain network. Capped at half of the patch tokens where the sequence gets
    /// short.</param>
    /// <param name="interval">Blocks from a merge to the next, at least 1.</param>
    /// <param name="phase">Which blocks merge.</param>
    /// <param name="merging">How tokens merge: order and protected neighbours decide how the class row moves and how many can go;
    /// <see cref="MergeOptions.Default"/> unless given.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokensPerMerge"/> is negative, or <paramref name="interval"/> is not positive.</exception>
    public static MergeSchedule Uniform(VimConfig config, int tokensPerMerge, int interval = 2, MergePhase phase = MergePhase.Even, MergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(tokensPerMerge);
        if (interval < 1) throw new ArgumentOutOfRangeException(nameof(interval), interval, $"interval is {interval}; it must be at least 1.");
        var removed = new int[config.Depth];
        for (int i = 1; i < removed.Length; i++)
            if (Merges(i, interval, phase)) removed[i] = tokensPerMerge;
        return Custom(config, removed, merging);
    }

    /// <summary>
    /// The schedule of the published code, which differs from <see cref="Uniform"/> at the last merge: there it cuts the sequence to 197 − 11 · compare tokens,
    /// whatever <paramref name="tokensPerMerge"/> is. At 224 pixels both are the same where <paramref name="compare"/> equals
    /// <paramref name="tokensPerMerge"/>.
    /// </summary>
    /// <remarks>Spec 2.5. For comparison with the published code only.</remarks>
    /// <param name="config">The network.</param>
    /// <param name="tokensPerMerge">r, tokens removed a merge.</param>
    /// <param name="compare">The published option <c>compare</c>, 11 by default there; 0 to 1000.</param>
    /// <param name="interval">Blocks from a merge to the next.</param>
    /// <param name="phase">Which blocks merge.</param>
    /// <param name="merging">How tokens merge.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="tokensPerMerge"/> is negative, <paramref name="interval"/> is not positive, or <paramref name="compare"/> is out of range.
    /// </exception>
    public static MergeSchedule Reference(VimConfig config, int tokensPerMerge, int compare = 11, int interval = 2, MergePhase phase = MergePhase.Even,
        MergeOptions? merging = null)
    {
        if (compare is < 0 or > 1000) throw new ArgumentOutOfRangeException(nameof(compare), compare, $"compare is {compare}; it must be from 0 to 1000.");
        int[] removed = [.. Uniform(config, tokensPerMerge, interval, phase).RemovedPerBlock];
        int tokens = config.Tokens;
        for (int i = 1; i < removed.Length; i++)
        {
            if (Merges(i, interval, phase) && config.Depth - i <= interval) removed[i] = Math.Max(0, tokens - (197 - 11 * compare));
            tokens -= Math.Min(removed[i], Removable(tokens, config.ClassRow, merging?.ProtectedNeighbours ?? 0));
        }
        return Custom(config, removed, merging);
    }

    /// <summary>Any number of tokens at any block but the first.</summary>
    /// <param name="config">The network.</param>
    /// <param name="removedPerBlock">Tokens removed at the entry of each block; the first must be 0, for nothing has been computed there to match by.</param>
    /// <param name="merging">How tokens merge.</param>
    /// <exception cref="ArgumentException">
    /// Wrong length, a negative number, or a merge at block 0; <paramref name="config"/> or <paramref name="merging"/> contradicts itself; or a merge has too
    /// few tokens for
    /// <paramref name="merging"/>.
    /// </exception>
    public static MergeSchedule Custom(VimConfig config, IReadOnlyList<int> removedPerBlock, MergeOptions? merging = null)
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
            throw new ArgumentException($"The schedule removes tokens at {removedPerBlock.Count(n => n > 0)} blocks and the network has a class token at both ends, around which tokens cannot merge; use MergeSchedule.Dense, or a network with one class token.", nameof(removedPerBlock));
        return new MergeSchedule(config, [.. removedPerBlock], (merging ?? MergeOptions.Default).Validate());
    }

    /// <summary>
    /// The schedule that loses least at a given speed, to be found by <see cref="Analysis.ScheduleSearch"/> on images of one's own, or while fitting in a
    /// pipeline.
    /// </summary>
    /// <param name="speedup">Arithmetic of the un-merged network over that of the merged one, above 1 and at most 20: 1.4 takes 29 % of the arithmetic
    /// away.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="speedup"/> is out of range.</exception>
    public static ScheduleTarget ForSpeedup(double speedup) => ScheduleTarget.ForSpeedup(speedup);

    /// <summary>The fastest schedule that loses no more than a given accuracy before re-training, to be found as with <see cref="ForSpeedup"/>.</summary>
    /// <param name="loss">Top-1 that may be lost, as a share of the images, from 0 to below 1: 0.01 is one point.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="loss"/> is out of range.</exception>
    public static ScheduleTarget ForAccuracyLoss(double loss) => ScheduleTarget.ForAccuracyLoss(loss);

    /// <summary>Checks that the schedule was made for a network of these sizes.</summary>
    /// <exception cref="ArgumentException">It was made for another.</exception>
    internal void Check(VimConfig config, string name)
    {
        if ((InputTokens, InputClassRow, TokensPerBlock.Count) != (config.Tokens, config.ClassRow, config.Depth))
            throw new ArgumentException($"The schedule is for {InputTokens} tokens, class row {InputClassRow}, {TokensPerBlock.Count} blocks; the network has "
                + $"{config.Tokens} tokens, class row {config.ClassRow}, {config.Depth} blocks. Make the schedule from the network's VimConfig.", name);
    }

    /// <summary>
    /// The most tokens that one merge can remove. Of the patch rows every second one may go; of any 2n neighbours of the class token n are such rows, wherever
    /// it stands, so that the number is the same for every image.
    /// </summary>
    /// <param name="tokens">Tokens before.</param>
    /// <param name="classRow">Row of the class token; −1 where there is none, and then half of all may go.</param>
    /// <param name="protectedNeighbours"><see cref="MergeOptions.ProtectedNeighbours"/>.</param>
    internal static int Removable(int tokens, int classRow, int protectedNeighbours) => classRow < 0
        ? tokens / 2
        : Math.Max(0, Math.Min((tokens - 1) / 2, tokens / 2 - protectedNeighbours));

    /// <summary>
    /// The class row after a merge, by the paper's formula (spec 2.3): proportional, rounded down. In odd–even order never beyond the unmerged tokens.
    /// </summary>
    internal static int NextClassRow(int row, int tokens, int removed, MergeOrder order)
    {
        if (row < 0) return row; // no class token
        // In 64 bits: from 46,341 tokens on the product is beyond an int.
        if (order == MergeOrder.Original) return (int)((long)row * (tokens - removed) / tokens);
        int even = tokens / 2; // tokens at even places once the class token is taken out: ceil((tokens − 1) / 2)
        return (int)Math.Min((long)row * (even - removed) / even, even - removed);
    }

    /// <summary>Whether a schedule of that interval merges at a block after the first.</summary>
    internal static bool Merges(int block, int interval, MergePhase phase) => (phase == MergePhase.Odd ? block + 1 : block) % interval == 0;

    /// <summary>For example "197 → 142 tokens, 11 merges, reduction ratio 0.14".</summary>
    public override string ToString() => IsDense
        ? $"{InputTokens} tokens, no merges"
        : FormattableString.Invariant(
            $"{InputTokens} → {TokensPerBlock[^1]} tokens, {Steps.Count} merge{(Steps.Count == 1 ? "" : "s")}, reduction ratio {ReductionRatio:0.00}");
}

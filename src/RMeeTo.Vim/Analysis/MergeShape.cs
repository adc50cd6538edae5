using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Analysis;

/// <summary>Which blocks merge, and in what proportion: one weight a block, 0 where nothing merges. Block 0 never does.</summary>
internal sealed record MergeShape(IReadOnlyList<double> Weights)
{
    /// <summary>The same weight where the condition holds.</summary>
    public static MergeShape Where(int depth, Func<int, bool> merges) => new([.. Enumerable.Range(0, depth).Select(i => i > 0 && merges(i) ? 1.0 : 0)]);

    /// <summary>Blocks that merge.</summary>
    public IEnumerable<int> Merges => Enumerable.Range(0, Weights.Count).Where(i => Weights[i] > 0);

    public MergeShape With(int block, double weight) => new([.. Weights.Select((w, i) => i == block ? weight : w)]);

    /// <summary>Shapes one step away: a merge at a neighbouring block, a heavier or lighter merge, one merge fewer, one more.</summary>
    public IEnumerable<MergeShape> Neighbours()
    {
        int[] merges = [.. Merges];
        double mean = merges.Average(i => Weights[i]);
        foreach (int block in merges)
        {
            if (block > 1) yield return With(block - 1, Weights[block - 1] + Weights[block]).With(block, 0);
            if (block < Weights.Count - 1) yield return With(block + 1, Weights[block + 1] + Weights[block]).With(block, 0);
            if (merges.Length == 1) continue;
            yield return With(block, 0);
            yield return With(block, Weights[block] * 1.5);
            yield return With(block, Weights[block] / 1.5);
        }
        for (int block = 1; block < Weights.Count; block++)
            if (Weights[block] == 0) yield return With(block, mean);
    }
}

/// <summary>Turns a shape and a speed into a schedule.</summary>
internal sealed class ScheduleScale(VimConfig config, MergeOptions merging)
{
    /// <summary>The schedule of that shape with the least arithmetic: every merge takes half.</summary>
    public MergeSchedule Fastest(MergeShape shape) => Schedule(shape, config.Tokens / shape.Merges.Min(i => shape.Weights[i]));

    public double SpeedupOf(MergeSchedule schedule) => VimCost.Speedup(config, schedule, merging);

    /// <summary>The schedule of that shape that reaches a speed with the fewest removed tokens, or null where it cannot.</summary>
    public MergeSchedule? At(MergeShape shape, double speedup)
    {
        var found = Fastest(shape);
        if (SpeedupOf(found) < speedup) return null;
        double low = 0, high = config.Tokens / shape.Merges.Min(i => shape.Weights[i]);
        while (high - low > 1e-3 * high)
        {
            double middle = (low + high) / 2;
            var tried = Schedule(shape, middle);
            if (SpeedupOf(tried) >= speedup) (high, found) = (middle, tried);
            else low = middle;
        }
        return found;
    }

    /// <summary>
    /// Rounds so that the sum over the blocks so far is right, whatever each block's fraction. Nothing merges where fewer partners are left than
    /// <see cref="MergeOptions.PartnerRank"/> asks for.
    /// </summary>
    private MergeSchedule Schedule(MergeShape shape, double scale)
    {
        var removed = new int[config.Depth];
        double wanted = 0;
        long given = 0;
        int tokens = config.Tokens;
        foreach (int block in shape.Merges)
        {
            if ((tokens - config.ClassTokens) / 2 < merging.PartnerRank) break;
            wanted += scale * shape.Weights[block];
            removed[block] = (int)Math.Clamp((long)Math.Round(wanted) - given, 0, config.Tokens);
            given += removed[block];
            tokens -= Math.Min(removed[block], MergeSchedule.Removable(tokens, config.ClassRow, merging.ProtectedNeighbours));
        }
        return MergeSchedule.Custom(config, removed, merging);
    }
}

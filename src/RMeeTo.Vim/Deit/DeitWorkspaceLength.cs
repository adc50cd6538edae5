using RMeeTo.Vim.Deit.Operators;

namespace RMeeTo.Vim.Deit;

/// <summary>How many values the activations of one worker are, counted without allocating them.</summary>
internal static class DeitWorkspaceLength
{
    /// <summary>Values of a <see cref="DeitWorkspace"/> and of the scratch memory of its operators.</summary>
    public static long Of(DeitConfig config, DeitMergeSchedule schedule, DeitMergeOptions merging, int batch, bool forTraining)
    {
        long tokens = (long)batch * config.Tokens, c = config.Width;
        int metric = merging.Metric == DeitMetric.Tokens ? config.Width : config.HeadWidth;
        long sum = batch * (2L * config.InputLength + config.Patches * (config.PatchLength + c) + 2 * c + 2 + config.Classes) + tokens * (2 * c + 2);
        if (merging.Metric != DeitMetric.Tokens && !schedule.IsDense) sum += tokens * metric;
        sum += Scratch(config, schedule, metric);
        foreach (var step in schedule.Steps) sum += batch * 3L * step.TokensIn + 5L * step.TokensIn;
        if (!forTraining) return sum + Block(0);
        sum += tokens * (6 * c + config.MlpWidth) + batch * (2 * c + 2L * config.Classes + 1);
        return sum + Enumerable.Range(0, config.Depth).Sum(Block);

        long Block(int block)
        {
            int attended = schedule.AttendedPerBlock[block], merged = schedule.TokensPerBlock[block];
            long length = attended * (2 + 5 * c) + merged * (2 + c + config.MlpWidth);
            if (forTraining) length += attended * (c + (long)config.Heads * DeitOperators.ProbabilityColumns(attended)) + merged * (c + config.MlpWidth);
            return batch * length;
        }
    }

    /// <summary>The weights of one head's attention, or the similarities of one merge; and keys, values and odd rows, packed, of every length.</summary>
    private static long Scratch(DeitConfig config, DeitMergeSchedule schedule, int metric)
    {
        long attention = (config.Tokens + 1L) * DeitOperators.ProbabilityColumns(config.Tokens);
        long match = schedule.Steps.Select(step => step.TokensIn * ((long)metric + (step.TokensIn + 1) / 4)).DefaultIfEmpty().Max();
        long keysAndValues = schedule.AttendedPerBlock.Distinct().Sum(length => 2L * length * config.HeadWidth);
        return Math.Max(attention, match) + keysAndValues + schedule.Steps.Sum(step => step.TokensIn / 2L * metric);
    }
}

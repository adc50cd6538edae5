using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>How many values the activations of one worker are, counted without allocating them.</summary>
internal static class WorkspaceLength
{
    /// <summary>Values of a <see cref="Workspace"/>.</summary>
    public static long Of(VimDevice device, VimConfig config, MergeSchedule schedule, MergeOptions merging, int batch, bool forTraining)
    {
        long tokens = (long)batch * config.Tokens, c = config.Width;
        long sum = batch * (2L * config.InputLength + config.Patches * (config.PatchLength + c)) + tokens * (4 * c + 2);
        long headRows = (long)batch * HeadActivations.RowsPerImage(config, schedule);
        sum += headRows * (3 * c + 2) + batch * (c + 2L * config.Classes);
        sum += Merges(config, schedule, merging, batch, forTraining);
        if (!forTraining) return sum + Block(config.Tokens);
        sum += tokens * (3 * c + config.ProjectionWidth + 5L * config.InnerWidth + (config.LayerScale ? c : 0));
        sum += headRows * 2 * c + batch * 2L * config.Classes;
        return sum + schedule.TokensPerBlock.Sum(Block);

        long Block(int length)
        {
            long rows = (long)batch * length, direction = rows * (2L * config.InnerWidth + config.ProjectionWidth);
            long block = rows * (2 + c + 3L * config.InnerWidth);
            if (!forTraining) return block + direction;
            direction += device.ScanCheckpointLength(batch, length, config.InnerWidth, config.StateSize);
            return block + rows * (c + (config.LayerScale ? c : 0)) + 2 * direction;
        }
    }

    /// <summary>Values that the merges add: plans, the metric and its packed rows, and who won where values are contested.</summary>
    private static long Merges(VimConfig config, MergeSchedule schedule, MergeOptions merging, int batch, bool forTraining)
    {
        if (schedule.IsDense) return 0;
        long tokens = (long)batch * config.Tokens;
        int metric = merging.Metric switch { MergeMetric.HiddenState => config.Width, MergeMetric.Delta => config.InnerWidth, _ => config.StateSize };
        bool contested = forTraining && merging.HasWinners;
        long sum = merging.Metric == MergeMetric.HiddenState ? 0 : tokens * metric;
        if (contested) sum += tokens * config.Width;
        foreach (var step in schedule.Steps)
            sum += batch * 2L * step.TokensIn + (step.TokensIn / 2 + 16L) * metric + (contested ? 2L * batch * step.TokensOut * config.Width : 0);
        return sum;
    }

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

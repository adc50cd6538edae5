using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

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
}

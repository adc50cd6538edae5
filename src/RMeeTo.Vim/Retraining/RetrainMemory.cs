using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>What a run of the <see cref="Retrainer"/> takes of memory, images not counted.</summary>
public static class RetrainMemory
{
    // Weights, both moments and the best weights in ordinary memory; weights and moments on the device.
    private const int Copies = 4 + 3;

    /// <summary>Bytes that a run takes beyond the model and the image store: weights, moments, the lanes' gradients, and the activations of every thread.</summary>
    /// <remarks>Within some percent of what is allocated. On a device of its own memory most of it lies there.</remarks>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch size, lanes, teacher and device are taken from here.</param>
    /// <param name="threads">Threads; 0 means one a processor.</param>
    /// <param name="merging">How it merges; <see cref="MergeOptions.Default"/> unless given.</param>
    public static long Estimate(VimConfig config, MergeSchedule schedule, RetrainOptions options, int threads, MergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        var provider = options.Device ?? CpuDeviceProvider.Instance;
        using var device = provider.CreateDevice();
        var parameters = new VimParameters(config);
        long weights = parameters.BufferLength, packed = Packed(parameters);
        int workers = provider.Workers(threads), lanes = options.LanesFor(weights * sizeof(float));
        bool teacher = options.TeacherLossWeight > 0 && !schedule.IsDense;
        int batch = NetworkRunner.BatchFor(config.Tokens);

        long shared = (Copies + lanes) * weights + 2 * packed + (teacher ? weights + packed : 0);
        merging ??= MergeOptions.Default;
        long gradientWorker = Activations(device, config, schedule, merging, batch, forTraining: true)
            + (teacher ? Activations(device, config, MergeSchedule.Dense(config), merging, batch, forTraining: false) : 0);
        long validationWorker = Activations(device, config, schedule, merging, batch, forTraining: false);
        return sizeof(float) * (shared + Math.Min(workers, lanes) * gradientWorker + workers * validationWorker);
    }

    /// <summary>Throws where a run would not fit.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch size, lanes, threads, teacher and device are taken from here.</param>
    /// <param name="availableBytes">Memory that there is for it, such as <c>GC.GetGCMemoryInfo().TotalAvailableMemoryBytes</c> less what the images take.</param>
    /// <param name="merging">How it merges; <see cref="MergeOptions.Default"/> unless given.</param>
    /// <exception cref="InsufficientMemoryException">It would not fit; the message says how much it takes and what takes less.</exception>
    public static void ThrowIfInsufficient(VimConfig config, MergeSchedule schedule, RetrainOptions options, long availableBytes, MergeOptions? merging = null)
    {
        long needed = Estimate(config, schedule, options, options.Threads, merging);
        if (needed <= availableBytes) return;
        var provider = options.Device ?? CpuDeviceProvider.Instance;
        throw new InsufficientMemoryException($"Re-training this network takes about {Show(needed)} of memory, and {Show(availableBytes)} are available. Every thread takes a part of it ({provider.Workers(options.Threads)} threads), every lane another ({options.LanesFor(new VimParameters(config).BufferLength * sizeof(float))} lanes): set fewer Threads or Lanes, or take a smaller network or image size.");
    }

    private static string Show(long bytes) => bytes >= 1L << 30 ? $"{bytes / (double)(1L << 30):0.0} GiB" : $"{bytes / (double)(1L << 20):0} MiB";

    /// <summary>Values of all packed matrices of one form; rows are filled up to whole vectors.</summary>
    private static long Packed(ParameterLayout parameters)
    {
        return parameters.LinearWeights.Sum(linear => Of(linear.Weight));

        static long Of(VimParameter p) => Math.Max(p.Rows * (long)Up(p.Columns), p.Columns * (long)Up(p.Rows));
    }

    private static int Up(int edge) => (edge + 15) / 16 * 16;

    /// <summary>Values of a <see cref="Workspace"/>.</summary>
    private static long Activations(VimDevice device, VimConfig config, MergeSchedule schedule, MergeOptions merging, int batch, bool forTraining)
    {
        long tokens = (long)batch * config.Tokens, c = config.Width;
        long sum = batch * (2L * config.InputLength + config.Patches * (config.PatchLength + c)) + tokens * (4 * c + 2);
        long headRows = (long)batch * HeadActivations.RowsPerImage(config, schedule);
        sum += headRows * (3 * c + 2) + batch * (c + 2L * config.Classes);
        sum += Merges(config, schedule, merging, batch, forTraining);
        if (!forTraining) return sum + Block(config.Tokens);
        sum += tokens * (3 * c + config.ProjectionWidth + 5L * config.InnerWidth + (config.LayerScale ? c : 0)) + headRows * 2 * c + batch * 2L * config.Classes;
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

    /// <summary>Values that the merges add: plans, the metric and its packed rows, importances, and who won where values are contested.</summary>
    private static long Merges(VimConfig config, MergeSchedule schedule, MergeOptions merging, int batch, bool forTraining)
    {
        if (schedule.IsDense) return 0;
        long tokens = (long)batch * config.Tokens;
        int metric = merging.Metric switch { MergeMetric.HiddenState => config.Width, MergeMetric.Delta => config.InnerWidth, _ => config.StateSize };
        bool contested = forTraining && merging.HasWinners;
        long sum = (merging.Metric == MergeMetric.HiddenState ? 0 : tokens * metric) + (merging.Importance == MergeImportance.None ? 0 : tokens) + (contested ? tokens * config.Width : 0);
        foreach (var step in schedule.Steps)
            sum += batch * 2L * step.TokensIn + (step.TokensIn / 2 + 16L) * metric + (contested ? 2L * batch * step.TokensOut * config.Width : 0);
        return sum;
    }
}

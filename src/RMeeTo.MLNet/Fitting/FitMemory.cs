using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>What <c>Fit</c> takes in memory, estimated before it begins.</summary>
/// <param name="Network">Bytes for weights, gradients, optimizer and activations.</param>
/// <param name="Images">Bytes that are left for images; what does not fit goes to a temporary file.</param>
internal readonly record struct FitMemory(long Network, long Images)
{
    private const double DefaultShare = 0.75;

    /// <summary>Copies of the weights in ordinary memory while training: start, current, best, two moments, and the packed forms of the device, of student and teacher.</summary>
    private const int WeightCopies = 9;

    /// <summary>Estimates and checks.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch, lanes, threads, teacher.</param>
    /// <param name="provider">Device.</param>
    /// <param name="budget">Bytes; null: three quarters of what the process may have.</param>
    /// <exception cref="InvalidOperationException">The network alone needs more than the budget.</exception>
    public static FitMemory Plan(VimConfig config, MergeSchedule schedule, RetrainOptions options, IVimDeviceProvider provider, long? budget)
    {
        long allowed = budget ?? (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * DefaultShare);
        long network = Estimate(config, schedule, options, provider.Workers(options.Threads));
        if (network > allowed)
            throw new InvalidOperationException($"Training this network (width {config.Width}, {config.Depth} blocks, {config.Tokens} tokens, {options.Lanes} lanes, {provider.Workers(options.Threads)} threads) takes about {Megabytes(network)}, "
                + $"and {Megabytes(allowed)} may be used. Use fewer Threads or RetrainOptions.Lanes, a smaller network or image, or raise MemoryBudget.");
        return new(network, allowed - network);
    }

    /// <summary>Bytes for everything but the images.</summary>
    internal static long Estimate(VimConfig config, MergeSchedule schedule, RetrainOptions options, int workers)
    {
        long weights = 4L * new VimParameters(config).BufferLength;
        int batch = NetworkRunner.BatchFor(config);
        // A block keeps two rows of the width, seven of the inner width with both directions' convolution and Δ, the projections, and the states at chunk borders (about two rows more).
        long perToken = 2L * config.Width + 9L * config.InnerWidth + 2L * config.ProjectionWidth + 8;
        long training = 4L * batch * perToken * schedule.TokensPerBlock.Sum(tokens => (long)tokens);
        long scoring = 4L * batch * config.Tokens * (perToken + 8L * config.Width + config.PatchLength);
        bool teacher = options.TeacherLossWeight > 0;
        return weights * (WeightCopies + options.Lanes) + workers * (training + scoring * (teacher ? 3 : 2));
    }

    private static string Megabytes(long bytes) => $"{Math.Max(1, bytes >> 20)} MB";
}

using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Retraining;

/// <summary>What a run of the <see cref="Retrainer"/> takes of memory, images not counted.</summary>
public static class RetrainMemory
{
    // Weights, both moments and the best weights in ordinary memory; weights and moments on the device.
    private const int HostCopies = 4, DeviceCopies = 3;

    /// <summary>
    /// Bytes that a run takes in this process beyond the model and the image store: weights, moments, the lanes' gradients, prepared images, and the
    /// activations of every thread.
    /// </summary>
    /// <remarks>
    /// Within some percent of what is allocated. Where the device has its own memory (<see cref="IVimDeviceProvider.FreeMemory"/>), most lies there and is not
    /// counted here, but by <see cref="EstimateOnDevice(VimConfig, MergeSchedule, RetrainOptions, MergeOptions?, bool)"/>.
    /// </remarks>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch size, lanes, teacher and device are taken from here. A teacher is counted as the same network without merges.</param>
    /// <param name="threads">Threads; 0 means one a processor.</param>
    /// <param name="merging">How it merges; the default of its kind unless given.</param>
    /// <param name="ownTeacher">True where a teacher is given to the run, which a network without merges has none of otherwise.</param>
    public static long Estimate(
        VimConfig config, MergeSchedule schedule, RetrainOptions options, int threads, MergeOptions? merging = null, bool ownTeacher = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        return Needs(config, schedule, options, threads, merging, ownTeacher).Process;
    }

    /// <inheritdoc cref="Estimate(VimConfig, MergeSchedule, RetrainOptions, int, MergeOptions?, bool)"/>
    public static long Estimate(
        DeitConfig config, DeitMergeSchedule schedule, RetrainOptions options, int threads, DeitMergeOptions? merging = null, bool ownTeacher = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        return Needs(config, schedule, options, threads, merging, ownTeacher).Process;
    }

    /// <summary>Bytes that a run takes of the device's own memory; 0 where it has none (<see cref="IVimDeviceProvider.FreeMemory"/>).</summary>
    /// <remarks>Within some percent of what is allocated, what a device sets aside for itself not counted.</remarks>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch size, lanes, teacher and device are taken from here. A teacher is counted as the same network without merges.</param>
    /// <param name="merging">How it merges; the default of its kind unless given.</param>
    /// <param name="ownTeacher">True where a teacher is given to the run, which a network without merges has none of otherwise.</param>
    public static long EstimateOnDevice(
        VimConfig config, MergeSchedule schedule, RetrainOptions options, MergeOptions? merging = null, bool ownTeacher = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        return Needs(config, schedule, options, options.Threads, merging, ownTeacher).Device;
    }

    /// <summary>Throws where a run would not fit.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="options">Batch size, lanes, threads, teacher and device are taken from here.</param>
    /// <param name="availableBytes">
    /// Memory that there is for it, such as <c>GC.GetGCMemoryInfo().TotalAvailableMemoryBytes</c> less what the images take.
    /// </param>
    /// <param name="merging">How it merges; the default of its kind unless given.</param>
    /// <param name="ownTeacher">True where a teacher is given to the run, which a network without merges has none of otherwise.</param>
    /// <exception cref="InsufficientMemoryException">
    /// It would not fit, or not into the device's own memory; the message says how much it takes and what takes less.
    /// </exception>
    public static void ThrowIfInsufficient(
        VimConfig config, MergeSchedule schedule, RetrainOptions options, long availableBytes, MergeOptions? merging = null, bool ownTeacher = false) =>
        ThrowIfInsufficient(Needs(config, schedule, options, options.Threads, merging, ownTeacher), availableBytes, new VimParameters(config), options);

    /// <inheritdoc cref="ThrowIfInsufficient(VimConfig, MergeSchedule, RetrainOptions, long, MergeOptions?, bool)"/>
    public static void ThrowIfInsufficient(
        DeitConfig config, DeitMergeSchedule schedule, RetrainOptions options, long availableBytes, DeitMergeOptions? merging = null,
        bool ownTeacher = false) =>
        ThrowIfInsufficient(Needs(config, schedule, options, options.Threads, merging, ownTeacher), availableBytes, new DeitParameters(config), options);

    private static Bytes Needs(VimConfig config, MergeSchedule schedule, RetrainOptions options, int threads, MergeOptions? merging, bool ownTeacher)
    {
        merging ??= MergeOptions.Default;
        return Needs(new VimParameters(config), config.Tokens, config.InputLength, config.Depth + 1, schedule.IsDense && !ownTeacher, options, threads,
            (device, batch, merged, forTraining) =>
                WorkspaceLength.Of(device, config, merged ? schedule : MergeSchedule.Dense(config), merging, batch, forTraining));
    }

    private static Bytes Needs(DeitConfig config, DeitMergeSchedule schedule, RetrainOptions options, int threads, DeitMergeOptions? merging, bool ownTeacher)
    {
        merging ??= DeitMergeOptions.Default;
        return Needs(new DeitParameters(config), config.Tokens, config.InputLength, 2 * config.Depth, schedule.IsDense && !ownTeacher, options, threads,
            (_, batch, merged, forTraining) =>
                DeitWorkspaceLength.Of(config, merged ? schedule : DeitMergeSchedule.Dense(config), merging, batch, forTraining));
    }

    private static Bytes Needs(
        ParameterLayout parameters, int tokens, int inputLength, int additions, bool isDense, RetrainOptions options, int threads, Activations activations)
    {
        var provider = Provider(options);
        using var device = provider.CreateDevice();
        var processes = new TrainingProcesses(options.Processes);
        long weights = parameters.BufferLength, packed = Packed(parameters);
        var lanes = processes.LanesOf(Lanes(parameters, options));
        int workers = provider.Workers(threads), batch = TrainingWorkers.BatchCapacity(provider, tokens, lanes, options.BatchSize);
        int validated = provider.BatchFor(tokens);
        bool teacher = options.TeacherLossWeight > 0 && !isDense, average = options.Ema is not null;

        // An average of the weights lies in both memories, and is packed to be validated.
        long host = (HostCopies + (average ? 1 : 0)) * weights + (long)options.PreparedBatches * options.BatchSize * inputLength;
        int sums = processes.IsFirst ? 0 : 1; // the first process sums in its first lane
        long own = (DeviceCopies + lanes.Count + sums) * weights + 2 * packed + (teacher ? weights + packed : 0) + (average ? weights + packed : 0);
        long gradientWorker = activations(device, batch, merged: true, forTraining: true) + Factors(options.DropPath)
            + (teacher ? activations(device, batch, merged: false, forTraining: false) + Factors(options.DropPathOfTeacher.Rate) : 0)
            + (options.Mix.IsNone || provider.TakesWholeBatches ? 0 : inputLength);
        long validationWorker = activations(device, validated, merged: true, forTraining: false);
        own += Math.Min(workers, lanes.Count) * gradientWorker + workers * validationWorker;
        if (provider.TakesWholeBatches)
        {
            // Of the images that are validated, one batch is prepared while another is computed: numbers, or pixels, which then lie on the device as well.
            long inputs = (long)validated * inputLength, pixels = inputs / sizeof(float);
            host += 2 * (provider.TakesImageBytes ? pixels : inputs);
            own += provider.TakesImageBytes ? pixels : 0;
        }
        return provider.FreeMemory is null ? new(sizeof(float) * (host + own), 0) : new(sizeof(float) * host, sizeof(float) * own);

        long Factors(double dropPathRate) => dropPathRate > 0 ? 2L * batch * additions : 0; // drawn here, used on the device
    }

    private static void ThrowIfInsufficient(Bytes needed, long availableBytes, ParameterLayout parameters, RetrainOptions options)
    {
        var provider = Provider(options);
        int lanes = Lanes(parameters, options);
        if (needed.Process > availableBytes)
            throw new InsufficientMemoryException($"Re-training this network takes about {Show(needed.Process)} of memory, and {Show(availableBytes)} are "
                + (provider.FreeMemory is null
                    ? $"available. Every thread takes a part of it ({provider.Workers(options.Threads)} threads), every lane another ({lanes} lanes), and so do "
                        + $"{options.PreparedBatches} times {options.BatchSize} prepared images: set fewer Threads, Lanes or PreparedBatches, a smaller "
                        + "BatchSize, or take a smaller network or image size."
                    : $"available, beside what it takes of {provider.Name}. Most of it is for {options.PreparedBatches} times {options.BatchSize} prepared "
                        + "images: set fewer PreparedBatches or a smaller BatchSize, or take a smaller image size."));
        if (provider.FreeMemory is { } free && needed.Device > free)
            throw new InsufficientMemoryException($"Re-training this network takes about {Show(needed.Device)} of the memory of {provider.Name}, and "
                + $"{Show(free)} are free. Most of it is for the {options.BatchSize} images of a step in {lanes} {(lanes == 1 ? "lane" : "lanes")}: set more "
                + "Lanes, which are computed one after the other; or a smaller BatchSize, with Accumulation for steps of the same size; or take a smaller "
                + "network or image size.");
    }

    private static IVimDeviceProvider Provider(RetrainOptions options) => options.Device ?? CpuDeviceProvider.Instance;

    private static int Lanes(ParameterLayout parameters, RetrainOptions options) =>
        options.LanesOn(Provider(options), parameters.BufferLength * sizeof(float), new TrainingProcesses(options.Processes).Count);

    private static string Show(long bytes) => bytes >= 1L << 30 ? $"{bytes / (double)(1L << 30):0.0} GiB" : $"{bytes / (double)(1L << 20):0} MiB";

    /// <summary>Values of all packed matrices of one form; rows are filled up to whole vectors.</summary>
    private static long Packed(ParameterLayout parameters)
    {
        return parameters.LinearWeights.Sum(linear => Of(linear.Weight));

        static long Of(VimParameter p) => Math.Max(p.Rows * (long)Up(p.Columns), p.Columns * (long)Up(p.Rows));
    }

    private static int Up(int edge) => (edge + 15) / 16 * 16;

    /// <summary>What a run takes.</summary>
    /// <param name="Process">Of the memory of this process.</param>
    /// <param name="Device">Of the device's own; 0 where it has none.</param>
    private readonly record struct Bytes(long Process, long Device);

    /// <summary>Values of one worker's activations.</summary>
    /// <param name="device">Knows how it lays scans out.</param>
    /// <param name="batch">Largest batch.</param>
    /// <param name="merged">False: the network without its merges.</param>
    /// <param name="forTraining">With room for the backward pass.</param>
    private delegate long Activations(VimDevice device, int batch, bool merged, bool forTraining);
}

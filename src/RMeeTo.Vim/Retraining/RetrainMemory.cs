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
    private const int Copies = 4 + 3;

    /// <summary>
    /// Bytes that a run takes in this process beyond the model and the image store: weights, moments, the lanes' gradients, prepared images, and the
    /// activations of every thread.
    /// </summary>
    /// <remarks>Within some percent of what is allocated. On a device of its own memory most of it lies there.</remarks>
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
        merging ??= MergeOptions.Default;
        return Estimate(new VimParameters(config), config.Tokens, config.InputLength, config.Depth + 1, schedule.IsDense && !ownTeacher, options, threads,
            (device, batch, merged, forTraining) =>
                WorkspaceLength.Of(device, config, merged ? schedule : MergeSchedule.Dense(config), merging, batch, forTraining));
    }

    /// <inheritdoc cref="Estimate(VimConfig, MergeSchedule, RetrainOptions, int, MergeOptions?, bool)"/>
    public static long Estimate(
        DeitConfig config, DeitMergeSchedule schedule, RetrainOptions options, int threads, DeitMergeOptions? merging = null, bool ownTeacher = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        merging ??= DeitMergeOptions.Default;
        return Estimate(new DeitParameters(config), config.Tokens, config.InputLength, 2 * config.Depth, schedule.IsDense && !ownTeacher, options, threads,
            (_, batch, merged, forTraining) =>
                WorkspaceLength.Of(config, merged ? schedule : DeitMergeSchedule.Dense(config), merging, batch, forTraining));
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
    /// <exception cref="InsufficientMemoryException">It would not fit; the message says how much it takes and what takes less.</exception>
    public static void ThrowIfInsufficient(
        VimConfig config, MergeSchedule schedule, RetrainOptions options, long availableBytes, MergeOptions? merging = null, bool ownTeacher = false) =>
        ThrowIfInsufficient(Estimate(config, schedule, options, options.Threads, merging, ownTeacher), availableBytes, new VimParameters(config), options);

    /// <inheritdoc cref="ThrowIfInsufficient(VimConfig, MergeSchedule, RetrainOptions, long, MergeOptions?, bool)"/>
    public static void ThrowIfInsufficient(
        DeitConfig config, DeitMergeSchedule schedule, RetrainOptions options, long availableBytes, DeitMergeOptions? merging = null,
        bool ownTeacher = false) =>
        ThrowIfInsufficient(Estimate(config, schedule, options, options.Threads, merging, ownTeacher), availableBytes, new DeitParameters(config), options);

    private static long Estimate(
        ParameterLayout parameters, int tokens, int inputLength, int additions, bool isDense, RetrainOptions options, int threads, Activations activations)
    {
        var provider = options.Device ?? CpuDeviceProvider.Instance;
        using var device = provider.CreateDevice();
        var processes = new TrainingProcesses(options.Processes);
        long weights = parameters.BufferLength, packed = Packed(parameters);
        int workers = provider.Workers(threads), lanes = processes.LanesOf(options.LanesFor(weights * sizeof(float))).Count;
        bool teacher = options.TeacherLossWeight > 0 && !isDense;
        int batch = NetworkRunner.BatchFor(tokens);

        // An average of the weights lies in both memories, and is packed to be validated.
        long average = options.Ema is null ? 0 : 2 * weights + packed;
        int sums = processes.IsFirst ? 0 : 1; // the first process sums in its first lane
        long shared = (Copies + lanes + sums) * weights + 2 * packed + (teacher ? weights + packed : 0) + average;
        shared += (long)options.PreparedBatches * options.BatchSize * inputLength;
        long gradientWorker = activations(device, batch, merged: true, forTraining: true) + Factors(options.DropPath)
            + (teacher ? activations(device, batch, merged: false, forTraining: false) + Factors(options.DropPathOfTeacher.Rate) : 0)
            + (options.Mix.IsNone ? 0 : inputLength);
        long validationWorker = activations(device, batch, merged: true, forTraining: false);
        return sizeof(float) * (shared + Math.Min(workers, lanes) * gradientWorker + workers * validationWorker);

        long Factors(double dropPathRate) => dropPathRate > 0 ? 2L * batch * additions : 0; // drawn here, used on the device
    }

    private static void ThrowIfInsufficient(long needed, long availableBytes, ParameterLayout parameters, RetrainOptions options)
    {
        if (needed <= availableBytes) return;
        var provider = options.Device ?? CpuDeviceProvider.Instance;
        throw new InsufficientMemoryException($"Re-training this network takes about {Show(needed)} of memory, and {Show(availableBytes)} are available. Every "
            + $"thread takes a part of it ({provider.Workers(options.Threads)} threads), every lane another "
            + $"({options.LanesFor(parameters.BufferLength * sizeof(float))} lanes), and so do {options.PreparedBatches} times {options.BatchSize} prepared "
            + "images: set fewer Threads, Lanes or PreparedBatches, a smaller BatchSize, or take a smaller network or image size.");
    }

    private static string Show(long bytes) => bytes >= 1L << 30 ? $"{bytes / (double)(1L << 30):0.0} GiB" : $"{bytes / (double)(1L << 20):0} MiB";

    /// <summary>Values of all packed matrices of one form; rows are filled up to whole vectors.</summary>
    private static long Packed(ParameterLayout parameters)
    {
        return parameters.LinearWeights.Sum(linear => Of(linear.Weight));

        static long Of(VimParameter p) => Math.Max(p.Rows * (long)Up(p.Columns), p.Columns * (long)Up(p.Rows));
    }

    private static int Up(int edge) => (edge + 15) / 16 * 16;

    /// <summary>Values of one worker's activations.</summary>
    /// <param name="device">Knows how it lays scans out.</param>
    /// <param name="batch">Largest batch.</param>
    /// <param name="merged">False: the network without its merges.</param>
    /// <param name="forTraining">With room for the backward pass.</param>
    private delegate long Activations(VimDevice device, int batch, bool merged, bool forTraining);
}

using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>Finds the schedule for a target on some of the training images, before training begins.</summary>
internal static class ScheduleFinder
{
    /// <summary>The network with the schedule that was found.</summary>
    /// <param name="start">The network before training; its head must know the classes.</param>
    /// <param name="rows">Training images, with labels.</param>
    /// <param name="target">What the schedule is to reach.</param>
    /// <param name="options">How many images, and the seed of their choice.</param>
    /// <param name="threads">Thread budget.</param>
    /// <param name="device">Where to run.</param>
    /// <param name="channel">Told what was found, and the trade-off.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="InvalidOperationException">The head does not know all classes, or no schedule reaches the target.</exception>
    public static StartModel Apply(StartModel start, TrainingRows rows, ScheduleTarget target, VimMergedClassifierOptions options, int threads,
        IVimDeviceProvider device, IChannel channel, CancellationToken cancellation)
    {
        if (start.NewClasses.Count > 0)
            throw new InvalidOperationException("Target asks for a schedule that is found by what the network answers, and the checkpoint does not know "
                + $"{start.NewClasses.Count} of the {rows.Classes.Occurring} classes. "
                + "Fit once with TokensPerMerge = 0, and search with the model of that (transformer.Model); or set TokensPerMerge or Schedule.");
        var calibration = Choose(rows.Training, options.TargetImages, options.Retraining.Seed);
        ScheduleSearchResult found;
        try
        {
            found = ScheduleSearch.Find(start.Model, target, calibration, new() { Threads = threads, Device = device }, cancellation);
        }
        catch (ArgumentException unreachable)
        {
            throw new InvalidOperationException($"No schedule was found for the target ({target}): {unreachable.Message}", unreachable);
        }
        channel.Say($"Schedule found for {target} on {found.Images} training images: {Describe(found.Chosen)}; without merges "
            + FormattableString.Invariant($"top-1 {100 * found.Curve[0].Top1:0.0} %."));
        foreach (var point in found.Curve) channel.Say($"Trade-off: {Describe(point)}.");
        return start with { Model = start.Model.WithSchedule(found.Chosen.Schedule, found.Chosen.Merging) };
    }

    /// <summary>At most so many images, in the proportions of the classes.</summary>
    private static ImageSet Choose(ImageSet images, int count, ulong seed)
    {
        if (images.Count <= count) return images;
        int[] labels = [.. Enumerable.Range(0, images.Count).Select(images.Label)];
        return new(images.Store, [.. StratifiedSplit.Make(labels, (double)count / images.Count, seed).Validation.Select(k => images.Indices[k])]);
    }

    private static string Describe(ScheduleEvaluation point) =>
        FormattableString.Invariant($"{point.Speedup:0.00} times as fast, {point.Schedule}, top-1 {100 * point.Top1:0.0} %");
}

namespace RMeeTo.Vim.Merging;

/// <summary>
/// What a merge schedule is to reach, for a network and images that are not known yet. Made by <see cref="MergeSchedule.ForSpeedup"/> and
/// <see cref="MergeSchedule.ForAccuracyLoss"/>; <see cref="Analysis.ScheduleSearch"/> finds the schedule.
/// </summary>
public sealed record ScheduleTarget
{
    internal const double LargestSpeedup = 20;

    private ScheduleTarget() { }

    /// <summary>Arithmetic of the un-merged network over that of the merged one, or null where the accuracy is the target.</summary>
    public double? Speedup { get; private init; }

    /// <summary>Top-1 that may be lost before re-training, as a share of the images (0.01 is one point), or null where the speed is the target.</summary>
    public double? AccuracyLoss { get; private init; }

    /// <summary>For example "1.4 times as fast" or "at most 1 point of top-1 lost".</summary>
    public override string ToString() => Speedup is { } speedup
        ? FormattableString.Invariant($"{speedup:0.##} times as fast")
        : FormattableString.Invariant($"at most {100 * AccuracyLoss:0.##} point{(AccuracyLoss == 0.01 ? "" : "s")} of top-1 lost");

    internal static ScheduleTarget ForSpeedup(double speedup) => speedup is > 1 and <= LargestSpeedup
        ? new ScheduleTarget { Speedup = speedup }
        : throw new ArgumentOutOfRangeException(nameof(speedup), speedup, $"A speed-up of {speedup} was asked for; it must be above 1 and at most {LargestSpeedup}: 1.4 means that the merged network does 1 / 1.4 of the arithmetic.");

    internal static ScheduleTarget ForAccuracyLoss(double loss) => loss is >= 0 and < 1
        ? new ScheduleTarget { AccuracyLoss = loss }
        : throw new ArgumentOutOfRangeException(nameof(loss), loss, $"An accuracy loss of {loss} was allowed; it must be from 0 to below 1: 0.01 means one point of top-1.");
}

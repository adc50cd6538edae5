using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Analysis;

/// <summary>How <see cref="ScheduleSearch"/> searches. A value out of range throws <see cref="ArgumentOutOfRangeException"/> where it is set.</summary>
public sealed record ScheduleSearchOptions
{
    /// <summary>
    /// Schedules that may be tried on the images to find the shape, 8 to 10,000. More finds better ones, slowly. The trade-off curve takes up to 11 more, and
    /// an accuracy that may be lost up to 16.
    /// </summary>
    public int Evaluations
    {
        get;
        init => field = value is >= 8 and <= 10_000 ? value : throw new ArgumentOutOfRangeException(nameof(Evaluations), value, $"ScheduleSearchOptions.Evaluations is {value}; it must be from 8 to 10000.");
    } = 64;

    /// <summary>How tokens are chosen and combined; null means as the model says.</summary>
    public MergeOptions? Merging { get; init; }

    /// <summary>Thread budget; 0 means one a processor. It changes no result.</summary>
    public int Threads { get; init; }

    /// <summary>Where to run; null means the CPU.</summary>
    public IVimDeviceProvider? Device { get; init; }

    /// <summary>Told after every schedule that was tried, with the best so far.</summary>
    public IProgress<ScheduleSearchProgress>? Progress { get; init; }
}

/// <summary>How far a search is.</summary>
/// <param name="Tried">Schedules run over the images so far.</param>
/// <param name="Best">The best of them, for the speed that is looked at.</param>
public sealed record ScheduleSearchProgress(int Tried, ScheduleEvaluation Best);

/// <summary>What a search found.</summary>
/// <param name="Chosen">The schedule for the target.</param>
/// <param name="Uniform">
/// The paper's schedule (equal numbers at every second block) of the same speed, to compare with; null where it cannot get that fast.
/// </param>
/// <param name="Curve">The trade-off: the shape that was found, at speeds from 1 (no merges) upwards.</param>
/// <param name="Images">Images that it was measured on.</param>
public sealed record ScheduleSearchResult(ScheduleEvaluation Chosen, ScheduleEvaluation? Uniform, IReadOnlyList<ScheduleEvaluation> Curve, int Images);

/// <summary>
/// Finds how many tokens to remove at which block: the schedule that changes a network's answers least at a given speed, or the fastest within a given loss.
/// Beyond the paper.
/// </summary>
/// <remarks>
/// A schedule is a shape (the share of each block in all removed tokens) and a scale that the speed decides; speed is arithmetic
/// (<see cref="VimCost.Bidirectional"/>), so nothing is timed and the result is the same on every machine. The shape with the smallest divergence from the
/// un-merged network's probabilities wins: the divergence tells schedules apart on a few hundred images, where top-1 is still noise. The search starts with
/// the paper's shape and other simple ones, then moves, splits, adds and drops merges of the best as long as that helps. Labels are used for the accuracy
/// that is reported, and for <see cref="MergeSchedule.ForAccuracyLoss"/>; there, top-1 on N images has a standard error of about √(0.25 / N), so a loss of
/// 0.01 wants a thousand images and more.
/// </remarks>
public static class ScheduleSearch
{
    private static readonly double[] CurveSpeedups = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3];

    /// <summary>Searches a schedule for a model on calibration images.</summary>
    /// <param name="model">The network; its own schedule does not count.</param>
    /// <param name="target">From <see cref="MergeSchedule.ForSpeedup"/> or <see cref="MergeSchedule.ForAccuracyLoss"/>.</param>
    /// <param name="calibration">Images with labels, some hundred: such as the network is to work on. Not those that measure the result in the end.</param>
    /// <param name="options">How long to search; null takes the defaults.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">
    /// No images; a label that is not a class; a network that cannot merge, for it has one block or a class token at both ends; or no schedule gets that fast.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ScheduleSearchResult Find(VimModel model, ScheduleTarget target, ImageSet calibration, ScheduleSearchOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(target);
        options ??= new();
        if (model.Config.Depth < 2)
            throw new ArgumentException("The network has 1 block, at whose entry nothing is known to merge by; use a network of at least 2 blocks.",
                nameof(model));
        using var evaluator = new ScheduleEvaluator(model, calibration, options.Threads, options.Device, cancellation);
        var merging = options.Merging ?? model.Merging;
        var shapes = new ShapeSearch(new ScheduleScale(model.Config, merging), evaluator, merging, options, cancellation);
        return target.Speedup is { } speedup
            ? ForSpeedup(shapes, speedup)
            : ForAccuracyLoss(shapes, target.AccuracyLoss!.Value);
    }

    private static ScheduleSearchResult ForSpeedup(ShapeSearch search, double speedup)
    {
        var (shape, chosen) = search.BestAt(speedup, search.Options.Evaluations);
        return Result(search, chosen, Curve(search, shape, chosen));
    }

    /// <summary>
    /// A shape for a moderate speed first; then the speed that its accuracy allows; then the shape again for that speed, and once more its speed.
    /// </summary>
    private static ScheduleSearchResult ForAccuracyLoss(ShapeSearch search, double loss)
    {
        const double moderate = 1.25;
        var (shape, _) = search.BestAt(Math.Min(moderate, search.FastestSpeedup), search.Options.Evaluations / 2);
        var chosen = FastestWithin(search, shape, loss);
        if (!chosen.Schedule.IsDense)
        {
            var (other, _) = search.BestAt(chosen.Speedup, search.Options.Evaluations / 2, shape);
            if (FastestWithin(search, other, loss) is var again && again.Speedup >= chosen.Speedup) (shape, chosen) = (other, again);
        }
        return Result(search, chosen, Curve(search, shape, chosen));
    }

    /// <summary>Bisection over the speed; where no merge at all stays within the loss, the un-merged network.</summary>
    private static ScheduleEvaluation FastestWithin(ShapeSearch search, MergeShape shape, double loss)
    {
        var best = search.Dense;
        double low = 1, high = search.FastestOf(shape);
        for (int i = 0; i < 8 && high - low > 0.005; i++)
        {
            double middle = (low + high) / 2;
            if (search.Evaluate(shape, middle) is not { } tried || search.Dense.Top1 - tried.Top1 > loss) high = middle;
            else (low, best) = (middle, tried);
        }
        return best;
    }

    private static List<ScheduleEvaluation> Curve(ShapeSearch search, MergeShape shape, ScheduleEvaluation chosen)
    {
        List<ScheduleEvaluation> curve = [search.Dense, chosen];
        foreach (double speedup in CurveSpeedups)
            if (search.Evaluate(shape, speedup) is { } point) curve.Add(point);
        return [.. curve.DistinctBy(point => string.Join(' ', point.Schedule.RemovedPerBlock)).OrderBy(point => point.Speedup)];
    }

    private static ScheduleSearchResult Result(ShapeSearch search, ScheduleEvaluation chosen, List<ScheduleEvaluation> curve) =>
        new(chosen, search.Evaluate(search.Paper, chosen.Speedup), curve, search.Images);
}

using RMeeTo.Vim;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Samples;

/// <summary>One result of the study for every seed: a way of merging, re-trained for so many epochs on so much of the data.</summary>
/// <param name="Row">Row of the table.</param>
/// <param name="Ratio">Reduction ratio that is aimed at; 0: not merged.</param>
/// <param name="Merging">How tokens are merged or dropped.</param>
/// <param name="Epochs">Epochs of re-training; 0: none.</param>
/// <param name="DataShare">Share of the training images, class by class.</param>
internal sealed record Cell(string Row, double Ratio, MergeOptions Merging, int Epochs, double DataShare = 1)
{
    public static readonly double[] Ratios = [0.14, 0.28, 0.31, 0.42, 0.54];

    public const double Middle = 0.31;

    private static readonly MergeOptions s_prune = new() { Reduction = MergeReduction.Prune };
    private static readonly MergeOptions s_unordered = new() { Order = MergeOrder.OddEven };
    private static readonly MergeOptions s_shuffled = new() { ShuffleRate = 0.5 };

    /// <summary>The name of its files.</summary>
    public string Key => FormattableString.Invariant($"{Row}-{Ratio:0.00}-{Epochs}ep-{100 * DataShare:0.#}pc").Replace(' ', '-').Replace(',', '_');

    /// <summary>The network that is merged, as it was trained.</summary>
    public static Cell Dense { get; } = new("dense", 0, MergeOptions.Default, 0);

    /// <summary>All cells, those that say most first: whatever time there is, what was done can be read.</summary>
    public static IReadOnlyList<Cell> All { get; } =
    [
        Dense,
        .. Ratios.SelectMany(ratio => new Cell[] { new("merged", ratio, MergeOptions.Default, 0), new("pruned", ratio, s_prune, 0) }),
        new("odd-even order", Middle, s_unordered, 0),
        new("shuffled", Middle, s_shuffled, 0),
        new("merged", Middle, MergeOptions.Default, 3),
        new("pruned", Middle, s_prune, 3),
        new("odd-even order", Middle, s_unordered, 3),
        new("dense", 0, MergeOptions.Default, 3),
        new("shuffled", Middle, s_shuffled, 3),
        new("merged", Middle, MergeOptions.Default, 1),
        .. new[] { 0.54, 0.14 }.SelectMany(AfterThreeEpochs),
        new("merged", Middle, MergeOptions.Default, 30, 0.10),
        new("merged", Middle, MergeOptions.Default, 30, 0.01),
        new("merged", Middle, MergeOptions.Default, 5),
        .. new[] { 0.42, 0.28 }.SelectMany(AfterThreeEpochs),
        new("merged", Middle, MergeOptions.Default, 15),
    ];

    private static IEnumerable<Cell> AfterThreeEpochs(double ratio) => [new("merged", ratio, MergeOptions.Default, 3), new("pruned", ratio, s_prune, 3)];

    /// <summary>r at the reduction ratio nearest to the one aimed at.</summary>
    public MergeSchedule ScheduleFor(VimConfig config) => Ratio == 0
        ? MergeSchedule.Dense(config)
        : Enumerable.Range(1, config.Tokens / 2).Select(r => MergeSchedule.Uniform(config, r, merging: Merging))
            .MinBy(schedule => Math.Abs(schedule.ReductionRatio - Ratio))!;
}

/// <summary>What a cell came to with one seed.</summary>
/// <param name="Top1">Share of the test images classified rightly, 0 to 1.</param>
/// <param name="Minutes">Wall time of the re-training; 0 where there was none.</param>
/// <param name="Weights">SHA-256 of the weights, so that a later build can be told to do the same bit for bit.</param>
internal sealed record CellResult(double Top1, double Minutes, string Weights);

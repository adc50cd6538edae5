using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Merging;

// Top-1 of a network under every merge option at five reduction ratios, without re-training: a table in Markdown. In brackets the divergence from the
// un-merged network.
//   dotnet run -c Release --project samples/Ablation                              the demo's network on pictures that it draws
//   dotnet run -c Release --project samples/Ablation -- MODEL.safetensors FOLDER  photographs in FOLDER/val/CLASS/*.jpg;
//                                                                               schedules are searched on FOLDER/train/CLASS/*.jpg
double[] ratios = [0.14, 0.28, 0.31, 0.42, 0.54];
var model = VimModel.Load(args.Length == 2 ? args[0] : Path.Combine(AppContext.BaseDirectory, "demo-vim.safetensors"));
using var test = args.Length == 2 ? Photographs.Read(Path.Combine(args[1], "val"), model.ClassNames) : Photographs.Draw(PictureSet.Test, 100);
using var calibration = args.Length == 2
    ? Photographs.Read(Path.Combine(args[1], "train"), model.ClassNames, perClass: 40)
    : Photographs.Draw(PictureSet.Train, 100);
using var evaluator = new ScheduleEvaluator(model, new(test));
MergeOptions paper = new();
Console.WriteLine($"{evaluator.DenseSchedule}; {evaluator.Images} pictures, un-merged top-1 {evaluator.DenseTop1:P1}\n");
var heads = ratios.Select(ratio => $"{ratio:0.00} (r = {Nearest(paper, ratio)!.RemovedPerBlock.Max()})");
Console.WriteLine($"| | {string.Join(" | ", heads)} |\n|---|{string.Concat(ratios.Select(_ => "---|"))}");

Row("merged, original order (paper)", paper);
Row("odd–even order", paper with { Order = MergeOrder.OddEven });
Row("pruned", paper with { Reduction = MergeReduction.Prune });
foreach (double rate in new[] { 0.1, 0.3, 0.5, 0.7 }) Row($"shuffled, rate {rate}", paper with { ShuffleRate = rate });
foreach (var metric in new[] { MergeMetric.B, MergeMetric.C, MergeMetric.Delta })
    foreach (var alignment in Enum.GetValues<MetricAlignment>())
        Row($"metric {metric}, aligned by {alignment}", paper with { Metric = metric, MetricAlignment = alignment });
foreach (var distance in new[] { MergeDistance.L1, MergeDistance.L2 }) Row($"distance {distance}", paper with { Distance = distance });
foreach (int rank in new[] { 3, 5, 7 }) Row($"partner number {rank}", paper with { PartnerRank = rank });
foreach (var mode in new[] { MergeCombination.Mean, MergeCombination.Max, MergeCombination.Min }) Row($"combined by {mode}", paper with { Combination = mode });
foreach (int interval in new[] { 1, 3, 4, 6 }) Row(interval == 1 ? "every block" : $"every {interval} blocks", paper, interval);
Row("odd blocks", paper, phase: MergePhase.Odd);
Row("exact class position", paper with { ClassPosition = MergeClassPosition.Exact });
foreach (int n in new[] { 1, 2, 4 }) Row($"class token's neighbours protected: {n}", paper with { ProtectedNeighbours = n });
Row("exact position, 2 neighbours", paper with { ClassPosition = MergeClassPosition.Exact, ProtectedNeighbours = 2 });
foreach (var (name, merging) in new[] { ("", paper), (" with the exact position", paper with { ClassPosition = MergeClassPosition.Exact }) })
    Write($"schedule searched{name}, as fast as the paper's", ratio => ScheduleSearch.Find(model,
        MergeSchedule.ForSpeedup(evaluator.Evaluate(Nearest(paper, ratio)!).Speedup), new(calibration), new() { Merging = merging }).Chosen.Schedule, merging);

void Row(string name, MergeOptions merging, int interval = 2, MergePhase phase = MergePhase.Even) =>
    Write(name, ratio => Nearest(merging, ratio, interval, phase), merging);

void Write(string name, Func<double, MergeSchedule?> scheduleOf, MergeOptions merging) =>
    Console.WriteLine($"| {name} | {string.Join(" | ", ratios.Select(ratio =>
{
    if (scheduleOf(ratio) is not { } schedule) return "–";
    var result = evaluator.Evaluate(schedule, merging);
    return FormattableString.Invariant($"{100 * result.Top1:0.0} ({result.Divergence:0.000})");
}))} |");

// Null where so few merges cannot remove as many tokens, or leave too few partners.
MergeSchedule? Nearest(MergeOptions merging, double ratio, int interval = 2, MergePhase phase = MergePhase.Even) => Enumerable.Range(1, model.Config.Tokens / 2)
    .Select(r => MergeSchedule.Uniform(model.Config, r, interval, phase, merging with { PartnerRank = 1 }))
    .Where(schedule => Math.Abs(schedule.ReductionRatio - ratio) < 0.03 && schedule.Steps.All(step => (step.TokensIn - 1) / 2 >= merging.PartnerRank))
    .MinBy(schedule => Math.Abs(schedule.ReductionRatio - ratio));

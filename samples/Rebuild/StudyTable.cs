using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>What there is of the study, as tables in Markdown.</summary>
internal static class StudyTable
{
    public static void Print(Study study, StudyOptions options, int classes)
    {
        var config = options.Network(classes);
        Console.WriteLine($"Top-1 in %, mean ± standard deviation of {options.Seeds} seeds (in brackets how many, where not all are done; –: none).\n");
        var heads = Cell.Ratios.Select(ratio => $"{ratio:0.00} ({new Cell("", ratio, new(), 0).ScheduleFor(config).RemovedPerBlock.Max()})");
        Console.WriteLine($"| ratio (r) | {string.Join(" | ", heads)} |");
        Console.WriteLine($"|---|{string.Concat(Cell.Ratios.Select(_ => "---|"))}");
        var ofEveryRatio = Cell.All.Where(cell => cell.Row is "merged" or "pruned" && cell.Epochs is 0 or 3);
        foreach (var row in ofEveryRatio.GroupBy(cell => (cell.Row, cell.Epochs)).OrderBy(row => row.Key.Epochs))
        {
            string name = row.Key.Epochs == 0 ? $"{row.Key.Row}, training-free" : $"{row.Key.Row}, re-trained {row.Key.Epochs} epochs";
            Console.WriteLine($"| {name} | {string.Join(" | ", Cell.Ratios.Select(ratio => Text(row.Single(cell => cell.Ratio == ratio))))} |");
        }
        Console.WriteLine($"\n| at ratio {Cell.Middle} | top-1 | minutes |\n|---|---|---|");
        var ofMiddleRatio = Cell.All.Where(cell => cell.Ratio is 0 or Cell.Middle);
        foreach (var cell in ofMiddleRatio.OrderBy(cell => cell.Row).ThenBy(cell => cell.DataShare).ThenBy(cell => cell.Epochs))
            Console.WriteLine($"| {Name(cell)} | {Text(cell)} | {Minutes(cell)} |");

        string Text(Cell cell) => Spread(Done(cell).Select(result => 100 * result.Top1), "0.0");

        string Minutes(Cell cell) => Spread(Done(cell).Select(result => result.Minutes).Where(minutes => minutes > 0), "0.0");

        string Spread(IEnumerable<double> of, string format)
        {
            double[] values = [.. of];
            if (values.Length == 0) return "–";
            double mean = values.Average(), deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / Math.Max(1, values.Length - 1));
            return mean.ToString(format) + (values.Length > 1 ? $" ± {deviation.ToString(format)}" : "")
                + (values.Length < options.Seeds ? $" ({values.Length})" : "");
        }

        IEnumerable<CellResult> Done(Cell cell) => Enumerable.Range(1, options.Seeds).Select(seed => study.Find(cell, seed)).OfType<CellResult>();
    }

    private static string Name(Cell cell) => cell.Row + (cell.Epochs == 0 ? "" : $", re-trained {cell.Epochs} epoch{(cell.Epochs == 1 ? "" : "s")}")
        + (cell.DataShare == 1 ? "" : $" on {cell.DataShare:P0} of the images");
}

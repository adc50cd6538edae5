using RMeeTo.Vim.Analysis;

namespace RMeeTo.Samples;

/// <summary>What was measured, in one table.</summary>
internal static class Table
{
    public static void Print(IReadOnlyList<(string Name, Fitted Fitted)> rows, IReadOnlyList<double> imagesPerSecond)
    {
        Console.WriteLine();
        Console.WriteLine($"{"",-28}{"top-1",8}{"GMACs",10}{"images/s",12}{"speed-up",10}");
        for (int i = 0; i < rows.Count; i++)
        {
            var (name, fitted) = rows[i];
            double cost = VimCost.Of(fitted.Network.Config, fitted.Network.Schedule).Bidirectional;
            Console.WriteLine($"{name,-28}{fitted.Top1,8:P1}{cost,10:0.0000}{imagesPerSecond[i],12:0}{imagesPerSecond[i] / imagesPerSecond[0],9:0.00}x");
        }
        Console.WriteLine();
    }

    /// <summary>How much of what merging lost came back.</summary>
    public static void PrintRecovery(Fitted dense, Fitted merged, Fitted rebuilt)
    {
        double lost = dense.Top1 - merged.Top1, back = rebuilt.Top1 - merged.Top1;
        string share = lost > 0 ? $"{back / lost:P0} of the {100 * lost:0.0} points that merging cost came back" : "merging cost nothing";
        Console.WriteLine($"The rebuild took {rebuilt.Minutes:0.0} minutes; {share}.");
    }
}

using System.Collections.Concurrent;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Compares with recorded values and keeps the worst error of each group (GoldenLog writes them).</summary>
internal static class GoldenReport
{
    private static readonly ConcurrentDictionary<string, double> s_worst = [];

    /// <summary>Fails where the error is larger than allowed.</summary>
    /// <param name="group">Device and operator.</param>
    /// <param name="tensor">Name of the recorded tensor.</param>
    /// <param name="actual">Computed.</param>
    /// <param name="expected">Recorded.</param>
    /// <param name="tolerance">Relative to the largest recorded value.</param>
    public static void AssertClose(string group, string tensor, IReadOnlyList<double> actual, IReadOnlyList<double> expected, double tolerance)
    {
        double error = Tolerances.RelativeError(actual, expected);
        s_worst.AddOrUpdate($"{group}: {tensor}", error, (_, worst) => Math.Max(worst, error));
        Tolerances.AssertClose(tensor, actual, expected, tolerance);
    }

    /// <summary>Lines "group: tensor  worst error".</summary>
    public static IEnumerable<string> Lines() => s_worst.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key}  {e.Value:0.0e+00}");
}

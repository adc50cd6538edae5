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

    /// <summary>Fails where a value is further from the recorded one than allowed for it.</summary>
    /// <param name="group">Device and operator.</param>
    /// <param name="tensor">Name of the recorded tensor.</param>
    /// <param name="actual">Computed.</param>
    /// <param name="expected">Recorded.</param>
    /// <param name="allowed">Largest difference of each value.</param>
    public static void AssertWithin(string group, string tensor, IReadOnlyList<double> actual, IReadOnlyList<double> expected, IReadOnlyList<double> allowed)
    {
        Assert.HasCount(expected.Count, actual, tensor);
        double error = Tolerances.RelativeError(actual, expected);
        s_worst.AddOrUpdate($"{group}: {tensor}", error, (_, worst) => Math.Max(worst, error));
        for (int i = 0; i < expected.Count; i++)
            if (!(Math.Abs(actual[i] - expected[i]) <= allowed[i]))
                Assert.Fail($"{tensor}[{i}]: {actual[i]:g9} instead of {expected[i]:g9}; they may differ by {allowed[i]:0.0e+0}.");
    }

    /// <summary>Lines "group: tensor  worst error".</summary>
    public static IEnumerable<string> Lines() => s_worst.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key}  {e.Value:0.0e+00}");
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.GpuCheck.Checks;

/// <summary>Every operator, forward and backward, against <see cref="ReferenceDevice"/>: the table of cases that all devices are tested by.</summary>
internal static class OperatorChecks
{
    /// <summary>Runs the cases twice each on a device: results within tolerance, and the same bits both times.</summary>
    /// <param name="device">The device.</param>
    /// <param name="cases">Of <see cref="OperatorCases"/>; a name begins with that of its operator.</param>
    /// <param name="report">Receives a table and the failures.</param>
    /// <param name="tolerance">Tolerance of all results; 0: each has its own.</param>
    public static void Run(VimDevice device, IEnumerable<OperatorCase> cases, Report report, double tolerance = 0)
    {
        var table = new Table($"Operators on {device.Name} against the reference in double precision (errors relative to the largest value of a tensor)",
            new("operator"), new("cases"), new("failed"), new("worst forward", "0.0e+00"), new("worst gradient", "0.0e+00"), new("of the tolerance", "0 %"));
        foreach (var group in cases.GroupBy(c => c.Name.Split(' ')[0]))
        {
            var tally = new Tally(tolerance);
            foreach (OperatorCase operatorCase in group)
            {
                if (tally.Add(operatorCase, device) is { } failure) report.Failures.Add($"{operatorCase.Name}: {failure}");
            }
            table.Add(group.Key, tally.Cases, tally.Failed, tally.Forward, tally.Gradient, tally.OfTolerance);
        }
        if (tolerance > 0) table.Remarks.Add($"The tolerance is {tolerance:0.0e+00}.");
        table.Remarks.Add("Each case ran twice; other bits the second time count as a failure.");
        report.Tables.Add(table);
    }

    /// <summary>What the cases of one operator came to.</summary>
    private sealed class Tally(double tolerance)
    {
        public int Cases { get; private set; }
        public int Failed { get; private set; }
        public double Forward { get; private set; }
        public double Gradient { get; private set; }

        /// <summary>Largest error in units of what is allowed.</summary>
        public double OfTolerance { get; private set; }

        /// <summary>Runs a case.</summary>
        /// <returns>What is wrong, or null.</returns>
        public string? Add(OperatorCase operatorCase, VimDevice device)
        {
            Cases++;
            string? failure = Run(operatorCase, device);
            if (failure is not null) Failed++;
            return failure;
        }

        private string? Run(OperatorCase operatorCase, VimDevice device)
        {
            try
            {
                using var reference = new ReferenceDevice();
                var (expected, first, second) = (Results(operatorCase, reference), Results(operatorCase, device), Results(operatorCase, device));
                string? failure = null;
                for (int i = 0; i < expected.Count; i++)
                {
                    failure ??= Compare(expected[i], first[i].Values);
                    if (!first[i].Values.AsSpan().SequenceEqual(second[i].Values)) failure ??= $"{first[i].Name}: other bits when it ran again.";
                }
                return failure;
            }
            catch (Exception e) // a device that fails one case is still asked for the others
            {
                return e.Message;
            }
        }

        private string? Compare((string Name, double Tolerance, double[] Values) expected, double[] actual)
        {
            double error = Tolerances.RelativeError(actual, expected.Values);
            if (expected.Name.StartsWith("gradient of", StringComparison.Ordinal)) Gradient = Math.Max(Gradient, error);
            else Forward = Math.Max(Forward, error);
            double allowed = tolerance > 0 ? tolerance : expected.Tolerance;
            if (allowed > 0) OfTolerance = Math.Max(OfTolerance, error / allowed);
            return error <= allowed ? null : $"{expected.Name}: relative error {error:0.0e+00}, allowed {allowed:0.0e+00}.";
        }

        private static List<(string Name, double Tolerance, double[] Values)> Results(OperatorCase operatorCase, VimDevice device)
        {
            var bench = new OperatorBench(device, operatorCase.Layout, seed: 1);
            operatorCase.Build(bench);
            bench.Run();
            return [.. bench.Results()];
        }
    }
}

using System.Collections.Concurrent;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>Every operator of every device against <see cref="ReferenceDevice"/>.</summary>
[TestClass]
public sealed class OperatorTests
{
    /// <summary>Each case is computed once for all devices.</summary>
    private static readonly ConcurrentDictionary<string, List<(string Name, double Tolerance, double[] Values)>> s_expected = [];

    public static IEnumerable<object[]> Cases =>
        from device in DevicesUnderTest.Names
        from operatorCase in OperatorCases.All
        select new object[] { device, operatorCase.Name };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Agrees_with_the_reference(string deviceName, string caseName)
    {
        OperatorCase operatorCase = OperatorCases.Find(caseName);
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var expected = s_expected.GetOrAdd(caseName, _ =>
        {
            using var reference = new ReferenceDevice();
            return Run(operatorCase, reference);
        });
        var actual = Run(operatorCase, device);
        foreach (var ((name, tolerance, values), (_, _, right)) in actual.Zip(expected))
        {
            if (right.Any(v => !double.IsFinite(v))) Assert.Fail($"{name}: the reference left a value unwritten or used one from outside an operand.");
            Tolerances.AssertClose(name, values, right, tolerance);
        }
    }

    /// <summary>The results of a case on a device.</summary>
    internal static List<(string Name, double Tolerance, double[] Values)> Run(OperatorCase operatorCase, VimDevice device)
    {
        var bench = new OperatorBench(device, operatorCase.Layout, seed: 1);
        operatorCase.Build(bench);
        bench.Run();
        return [.. bench.Results()];
    }
}

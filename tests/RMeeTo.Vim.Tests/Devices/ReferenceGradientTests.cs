using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>The gradients of <see cref="ReferenceDevice"/> against central differences of its forward operators, in double.</summary>
[TestClass]
public sealed class ReferenceGradientTests
{
    public static IEnumerable<object[]> Cases => OperatorCases.All.Where(c => c.Tokens is > 0 and <= 17).Select(c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_is_the_central_difference(string caseName)
    {
        OperatorCase operatorCase = OperatorCases.Find(caseName);
        using var device = new ReferenceDevice();
        var bench = new OperatorBench(device, operatorCase.Layout, seed: 2);
        operatorCase.Build(bench);
        foreach (var (name, error) in bench.GradientErrors(valuesPerInput: 12))
            if (!(error < 1e-6)) Assert.Fail($"{name}: differs from the central difference by {error:0.0e+00} of its largest value.");
    }
}

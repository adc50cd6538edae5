using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>The operators of a transformer: gradients of their plain form against central differences, and every fast form against the plain one.</summary>
[TestClass]
public sealed class DeitOperatorTests
{
    public static IEnumerable<object[]> Fast =>
        from width in SimdWidths.Supported from operatorCase in DeitOperatorCases.All select new object[] { $"{width}", operatorCase.Name };

    public static IEnumerable<object[]> Small => DeitOperatorCases.All.Where(c => c.Tokens <= 17).Select(c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Fast))]
    public void Agrees_with_the_reference(string width, string caseName)
    {
        using var reference = new ReferenceDevice();
        using var device = CpuDevice.Create(Enum.Parse<SimdWidth>(width));
        foreach (var ((name, tolerance, values), (_, _, expected)) in Run(caseName, device).Zip(Run(caseName, reference)))
        {
            Assert.IsTrue(expected.All(double.IsFinite), $"{name}: the reference left a value unwritten or used one from outside an operand.");
            Tolerances.AssertClose(name, values, expected, tolerance);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Small))]
    public void Gradient_is_the_central_difference(string caseName)
    {
        using var device = new ReferenceDevice();
        var bench = new OperatorBench(device, DeitOperatorCases.Find(caseName).Layout, seed: 2);
        DeitOperatorCases.Find(caseName).Build(bench);
        foreach (var (name, error) in bench.GradientErrors(valuesPerInput: 12))
            Assert.IsLessThan(1e-6, error, $"{name}: differs from the central difference by this share of its largest value");
    }

    /// <summary>Values from tables of the normal distribution: the reference is not the judge of itself.</summary>
    [TestMethod]
    [DataRow(0.0, 0.0)]
    [DataRow(1.0, 0.841344746068543)]
    [DataRow(-1.0, -0.158655253931457)]
    [DataRow(2.5, 2.484475839385815)]
    [DataRow(-6.0, -5.919525869e-9)]
    [DataRow(-12.0, 0.0)]
    [DataRow(40.0, 40.0)]
    public void Gelu_of_known_values(double x, double expected)
    {
        foreach (string name in DevicesUnderTest.Names)
        {
            using var device = DevicesUnderTest.Create(name);
            using var operators = DeitOperators.For(device);
            var value = new DeviceMatrix(device.Allocate(1), 1, 1);
            value.Buffer.Write([(float)x]);
            operators.Gelu(value, value);
            Assert.AreEqual(expected, Golden.GoldenRun.Read(value)[0], Math.Max(3e-7 * Math.Abs(expected), 1e-14), name);
        }
    }

    /// <summary>Over the whole range, against the double form: as exact in the tails as in the middle.</summary>
    [TestMethod]
    public void Gelu_is_exact_relatively()
    {
        float[] arguments = [.. Enumerable.Range(-1200, 2401).Select(i => i / 100f)];
        using var reference = new ReferenceDevice();
        double[] expected = Gelu(reference, arguments);
        foreach (var width in SimdWidths.Supported)
        {
            using var device = CpuDevice.Create(width);
            double[] actual = Gelu(device, arguments);
            for (int i = 0; i < arguments.Length; i++)
                if (arguments[i] > -5) // below, the double form itself has only its last bits left: ½ − ½ erf
                    Assert.AreEqual(expected[i], actual[i], 2e-6 * Math.Abs(expected[i]), $"{width}, {arguments[i]}");
        }
    }

    private static double[] Gelu(VimDevice device, float[] arguments)
    {
        using var operators = DeitOperators.For(device);
        var x = new DeviceMatrix(device.Allocate(arguments.Length), 1, arguments.Length);
        x.Buffer.Write(arguments);
        operators.Gelu(x, x);
        return Golden.GoldenRun.Read(x);
    }

    private static List<(string Name, double Tolerance, double[] Values)> Run(string caseName, VimDevice device)
    {
        var bench = new OperatorBench(device, DeitOperatorCases.Find(caseName).Layout, seed: 1);
        DeitOperatorCases.Find(caseName).Build(bench);
        bench.Run();
        return [.. bench.Results()];
    }
}

using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>
/// Every operator gives the same bits in whatever order blocks, warps and lanes run. A barrier that is missing shows here: between two barriers threads run in
/// another order each time.
/// </summary>
[TestClass]
public sealed class OrderTests
{
    public static IEnumerable<object[]> Cases => OperatorCases.All.Select(c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Results_do_not_depend_on_the_order(string caseName)
    {
        double[][] expected = Run(caseName, LaunchOrder.Forward, 0);
        foreach (var (order, seed) in new[] { (LaunchOrder.Reverse, 0), (LaunchOrder.Shuffled, 1), (LaunchOrder.Shuffled, 2) })
            foreach (var (right, values) in expected.Zip(Run(caseName, order, (ulong)seed)))
                CollectionAssert.AreEqual(right, values, $"{order} {seed}");
    }

    private static double[][] Run(string caseName, LaunchOrder order, ulong seed)
    {
        using CudaContext context = DevicesUnderTest.Emulated(order, seed);
        using var device = new CudaDevice(context);
        return [.. OperatorTests.Run(OperatorCases.Find(caseName), device).Select(result => result.Values)];
    }
}

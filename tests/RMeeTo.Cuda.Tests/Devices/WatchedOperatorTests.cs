using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>No operator has a race, reads shared memory that nobody wrote, or touches memory that is not its own, not even where no result tells.</summary>
[TestClass]
public sealed class WatchedOperatorTests
{
    public static IEnumerable<object[]> Cases => OperatorCases.All.Select(c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Every_access_is_in_order_and_inside_memory(string caseName)
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward, watched: true);
        using var device = new CudaDevice(context);
        OperatorTests.Run(OperatorCases.Find(caseName), device);
    }
}

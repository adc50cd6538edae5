using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>
/// The gradient of the selective scan keeps the past of its states in other places on a GPU with more shared memory than the emulated one has otherwise. The
/// results are the same bit for bit; that they are right is tested elsewhere.
/// </summary>
[TestClass]
public sealed class ScanVariantTests
{
    private const int DataCentre = 227 << 10, Small = 48 << 10;

    public static IEnumerable<object[]> Cases =>
        from c in OperatorCases.All
        where c.Name.StartsWith("SelectiveScan ", StringComparison.Ordinal)
        select new object[] { c.Name };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Results_do_not_depend_on_the_size_of_shared_memory(string caseName)
    {
        Assert.AreNotEqual(ScanKernels.GradientVariant.Of(DataCentre, 1), ScanKernels.GradientVariant.Of(Small, 1));
        foreach (var (right, values) in Run(caseName, Small).Zip(Run(caseName, DataCentre)))
            CollectionAssert.AreEqual(right, values);
    }

    private static double[][] Run(string caseName, int sharedBytes)
    {
        CppCompiler.Require();
        var cuda = new EmulatedCuda(LaunchOrder.Shuffled, 3, sharedBytes);
        using var context = new CudaContext(cuda, new EmulatedProducts(cuda));
        using var device = new CudaDevice(context);
        return [.. OperatorTests.Run(OperatorCases.Find(caseName), device).Select(result => result.Values)];
    }
}

using RMeeTo.Cuda.Tests.Runtime;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Network;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Operators allocate neither managed memory nor memory of the GPU once warm: a step may be recorded.</summary>
[TestClass]
public sealed class AllocationTests
{
    public static IEnumerable<object[]> Passes =>
        from precision in Enum.GetValues<MatrixPrecision>()
        from training in new[] { false, true }
        select new object[] { precision, training };

    [TestMethod]
    [DynamicData(nameof(Passes))]
    public void Nothing_is_allocated_once_warm(MatrixPrecision precision, bool training) => Check(precision, training, MergeOptions.Default);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void Nothing_is_allocated_under_any_option(string variant) => Check(MatrixPrecision.Float32, training: true, MergeVariants.Named(variant));

    private static void Check(MatrixPrecision precision, bool training, MergeOptions options)
    {
        var gpu = new LaunchRecorder { Precision = precision };
        using var device = new CudaDevice(new CudaContext(gpu, gpu));
        using var pass = new TinyPass(device, training, options);
        pass.Run();
        long warm = gpu.Allocations;
        Assert.AreEqual(0, Allocations.OfTen(pass.Run), "managed bytes in ten passes");
        Assert.AreEqual(warm, gpu.Allocations, "allocations on the GPU");
    }
}

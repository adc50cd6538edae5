using RMeeTo.Cuda;
using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>The CUDA device on the emulator: what the shared tests (DeviceTests.props) run on here.</summary>
internal static class DevicesUnderTest
{
    private static readonly Lazy<CudaContext> s_context = new(() => Emulated(LaunchOrder.Forward));

    public static IReadOnlyList<string> Names { get; } = ["CUDA on the CPU"];

    /// <summary>All devices share buffers and weights. The test that asks is skipped where kernels cannot be compiled for the CPU.</summary>
    public static VimDevice Create(string name)
    {
        Assert.AreEqual(Names[0], name);
        return new CudaDevice(s_context.Value);
    }

    /// <summary>A GPU of its own.</summary>
    public static CudaContext Emulated(LaunchOrder order, ulong seed = 0, bool watched = false)
    {
        CppCompiler.Require();
        var cuda = new EmulatedCuda(order, seed, watched: watched);
        return new CudaContext(cuda, new EmulatedProducts(cuda));
    }

    /// <summary>One network of the published sizes is enough of them: an emulated second is a long one.</summary>
    public static bool RunsAllRealSizes(string name) => false;

    /// <summary>True where the bits of a row do not depend on how many rows there are beside it.</summary>
    public static bool KeepsBits(string name) => true;
}

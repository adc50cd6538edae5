using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>The device that the shared tests (DeviceTests.props) run on in this program.</summary>
internal static class DevicesUnderTest
{
    private static CudaContext? s_context;

    public static IReadOnlyList<string> Names => [s_context!.Runtime.Name];

    /// <summary>Sets the GPU; before any test is asked for.</summary>
    public static void Set(CudaContext context) => s_context = context;

    public static VimDevice Create(string name) => new CudaDevice(s_context!);

    /// <summary>A GPU is quick enough for all.</summary>
    public static bool RunsAllRealSizes(string name) => true;

    /// <summary>cuBLAS chooses how it multiplies by the number of rows.</summary>
    public static bool KeepsBits(string name) => false;
}

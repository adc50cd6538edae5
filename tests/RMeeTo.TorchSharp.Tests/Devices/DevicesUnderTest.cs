using RMeeTo.TorchSharp;
using RMeeTo.Vim.Devices;
using TorchSharp;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>TorchSharp on its CPU backend: what the shared tests (DeviceTests.props) run on here.</summary>
internal static class DevicesUnderTest
{
    private const string Whole = "TorchSharp on the CPU", Pieces = "TorchSharp on the CPU, a few steps of a scan at once";

    public static IReadOnlyList<string> Names { get; } = [Whole, Pieces];

    /// <summary>The test that asks is skipped where libtorch is not there.</summary>
    public static VimDevice Create(string name)
    {
        RequireLibTorch();
        return name == Whole
            ? new TorchSharpDevice(torch.CPU, MatrixPrecision.Float32)
            : new TorchSharpDevice(torch.CPU, MatrixPrecision.Float32) { ScanValues = 1500, SimilarityValues = 100 };
    }

    /// <summary>Skips the test that asks where libtorch is not there.</summary>
    public static void RequireLibTorch()
    {
        try
        {
            TorchBackend.Require(DeviceType.CPU);
        }
        catch (Exception missing) when (missing is InvalidOperationException or PlatformNotSupportedException)
        {
            Assert.Inconclusive(missing.Message);
        }
    }

    /// <summary>One network of the published sizes is enough of them: an operator at a time is slow.</summary>
    public static bool RunsAllRealSizes(string name) => false;

    /// <summary>
    /// True where the bits of a row do not depend on how many rows there are beside it. A library of matrix products chooses its kernel by that number.
    /// </summary>
    public static bool KeepsBits(string name) => false;
}

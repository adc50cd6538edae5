using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck;

/// <summary>The GPU of this machine.</summary>
internal static class Gpu
{
    private const string DriverFile = "/proc/driver/nvidia/version";

    /// <summary>
    /// Names further places to look for NVRTC and cuBLAS in, after those that the user names: what the program is told of has them as well. Before anything
    /// else here.
    /// </summary>
    public static void LookIn(params IEnumerable<string?> folders)
    {
        string? named = Environment.GetEnvironmentVariable(LibrarySearch.Variable);
        var all = folders.Prepend(named).Where(folder => !string.IsNullOrEmpty(folder));
        Environment.SetEnvironmentVariable(LibrarySearch.Variable, string.Join(Path.PathSeparator, all));
    }

    /// <summary>Opens it.</summary>
    /// <exception cref="CudaUnavailableException">Driver, GPU, or a library is missing.</exception>
    /// <exception cref="NotSupportedException">The GPU has not the precision.</exception>
    public static CudaContext Open(int number, MatrixPrecision precision) => CudaDeviceProvider.Open(number, precision);

    /// <summary>Which driver and compiler there are.</summary>
    /// <exception cref="CudaUnavailableException">One is missing.</exception>
    public static unsafe IEnumerable<(string Name, string Value)> Facts()
    {
        int cuda = 0;
        CudaDriver driver = CudaDriver.Instance;
        driver.Check(driver.DriverGetVersion(&cuda), "cuDriverGetVersion");
        string line = File.Exists(DriverFile) ? $", {File.ReadLines(DriverFile).FirstOrDefault()}" : "";
        var compiler = new Nvrtc(LibrarySearch.OfThisMachine);
        return
        [
            ("driver", $"for CUDA up to {cuda / 1000}.{cuda % 1000 / 10}{line}"),
            ("kernel compiler", $"{compiler.Version}, {compiler.Path}"),
            (".NET", System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription),
        ];
    }
}

using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>
/// This machine lacks something that running on an NVIDIA GPU needs: a driver, a GPU of that number, or a library of CUDA. The message says what, and what to
/// add. Whoever can do without a GPU catches this and uses the CPU.
/// </summary>
public sealed class CudaUnavailableException : Exception
{
    /// <summary>The first driver that runs what CUDA 12 compiles.</summary>
    private const string Driver = "525";

    internal CudaUnavailableException(string message, Exception? inner = null) : base(message, inner) { }

    /// <summary>True where driver and GPU are there, and NVRTC or cuBLAS is not.</summary>
    internal bool IsMissingLibrary { get; private init; }

    private static string Libraries => $"CUDA's libraries come {ComesWith(HostSystem.Current)}.";

    /// <summary>What CUDA's libraries come with: the package for a Mac has none of them, and Linux on Arm64 has no package.</summary>
    /// <param name="system">Where they are needed.</param>
    /// <param name="newest">The version of CUDA that the driver is for: what a newer toolkit makes, it does not run.</param>
    internal static string ComesWith(HostSystem system, int newest = int.MaxValue)
    {
        string toolkit = $"with the CUDA Toolkit {(newest < 13 ? "12" : "12 or 13")}";
        return system is { System: not HostSystem.Mac, GpuPackage: { } package } ? $"with the package {package}, or {toolkit}" : toolkit;
    }

    internal static CudaUnavailableException NoDriver(string library) => new(
        $"There is no NVIDIA driver: '{library}' could not be loaded. Install a driver of version {Driver} or later; {Libraries}");

    internal static CudaUnavailableException OldDriver(int version) => new(
        $"The NVIDIA driver is too old: it supports CUDA {Text(version)}, and 12.0 is needed. Install a driver of version {Driver} or later; {Libraries}");

    internal static CudaUnavailableException DriverFailed(string error) => new(
        $"The NVIDIA driver does not start: {error}. If nvidia-smi fails too, install the driver ({Driver} or later) anew; {Libraries}");

    internal static CudaUnavailableException NoSuchGpu(int gpu, int count) => new(count == 0
        ? $"GPU {gpu} was asked for, and there is no NVIDIA GPU that programs may use (the environment variable CUDA_VISIBLE_DEVICES can hide them)."
        : $"GPU {gpu} was asked for, and there {(count == 1 ? "is 1 NVIDIA GPU: 0" : $"are {count} NVIDIA GPUs: 0 to {count - 1}")} " +
          "(the environment variable CUDA_VISIBLE_DEVICES can hide some).");

    internal static CudaUnavailableException OldGpu(string name, int capability) => new(
        $"{name} has compute capability {capability / 10}.{capability % 10}; 7.0 or later is needed (Volta, Turing, Ampere, Ada, Hopper, Blackwell).");

    internal static CudaUnavailableException NoLibrary(string what, IEnumerable<string> names, IEnumerable<string> tried, int newest) => new(
        $"{what} was not found: none of {string.Join(", ", names)}. Install it {ComesWith(HostSystem.Current, newest)}, " +
        $"whose folder CUDA_PATH names, or set {LibrarySearch.Variable} to a folder that holds it, such as that of a PyTorch installation. Looked in: " +
        $"{string.Join(", ", tried.DefaultIfEmpty("no folder, for none of them exists"))}, and where the system looks.") { IsMissingLibrary = true };

    private static string Text(int version) => $"{version / 1000}.{version % 1000 / 10}";
}

/// <summary>A call of CUDA failed.</summary>
public sealed class CudaException : Exception
{
    internal CudaException(string function, string error) : base($"{function} failed: {error}.") { }
}

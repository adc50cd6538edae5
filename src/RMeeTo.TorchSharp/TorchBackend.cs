using System.Reflection;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Finds out whether libtorch can be used before TorchSharp is asked to. Its own answer to a missing library is a page on the console and a
/// <see cref="TypeInitializationException"/> at every later call; ours names the package for this system.
/// </summary>
internal static class TorchBackend
{
    private const string NativeLibraryName = "LibTorchSharp";

    /// <summary>The version of TorchSharp that this program runs with.</summary>
    public static string Version { get; } = InformationalVersion(typeof(torch).Assembly);

    /// <summary>The package that gives this system a GPU, or on a Mac everything.</summary>
    public static string GpuPackage => HostSystem.Current.GpuPackage ?? CpuPackage;

    private static string CpuPackage => "TorchSharp-cpu";

    /// <summary>True where the libtorch that is there is the one without CUDA.</summary>
    public static bool IsForCpu => TryLoad(NativeLibraryName) && !TryLoad("torch_cuda");

    /// <summary>Throws where libtorch cannot be used on a kind of device.</summary>
    /// <exception cref="PlatformNotSupportedException">TorchSharp does not exist for this system, or has no such device on it.</exception>
    /// <exception cref="InvalidOperationException">
    /// The libraries are not there, cannot be loaded, or find no GPU; the message names the package to add.
    /// </exception>
    public static void Require(DeviceType type)
    {
        CheckSystem(type, HostSystem.Current);
        bool gpu = type == DeviceType.CUDA;
        // In this order: on Windows the second finds what it needs among what is loaded.
        bool device = TryLoad(gpu ? "torch_cuda" : "torch_cpu"), library = TryLoad(NativeLibraryName);
        // A notebook runs TorchSharp from the package folder, where TorchSharp itself knows how to find what belongs to it.
        if (!library && RunsFromPackageFolder)
        {
            TryInitialize(type);
            device = library = true;
        }
        if (!library)
            throw new InvalidOperationException($"The native libraries of TorchSharp {Version} are not there ({NativeLibraryName} cannot be loaded). Add the " +
                $"package {(gpu ? GpuPackage : CpuPackage)} {Version} to the application.");
        if (type == DeviceType.MPS) RequireMps();
        if (!gpu) return;
        if (!device)
            throw new InvalidOperationException($"The libtorch that is there is the one for the CPU (torch_cuda cannot be loaded). Add the package " +
                $"{GpuPackage} {Version} to the application in the place of {CpuPackage}.");
        if (!TryInitialize(DeviceType.CUDA))
            throw new InvalidOperationException(TryLoad(OperatingSystem.IsWindows() ? "nvcuda" : "libcuda.so.1")
                ? "libtorch finds no GPU that it can use, although an NVIDIA driver is installed; CUDA 12.8 needs driver 570 or later and a GPU of compute " +
                "capability 5.0 or higher that is not hidden by CUDA_VISIBLE_DEVICES."
                : "No NVIDIA driver is installed. CUDA 12.8 needs driver 570 or later.");
    }

    /// <summary>Throws where libtorch cannot use a Mac's GPU, as in a virtual machine without one.</summary>
    private static void RequireMps()
    {
        try
        {
            if (TryInitialize(DeviceType.MPS))
            {
                using Tensor one = ones(1, ScalarType.Float32, new Device(DeviceType.MPS));
                return;
            }
        }
        catch (ExternalException failure)
        {
            throw new InvalidOperationException($"libtorch cannot use the GPU of this Mac: {failure.Message.Split('\n')[0]}", failure);
        }
        throw new InvalidOperationException("libtorch cannot use the GPU of this Mac.");
    }

    /// <summary>Throws where there is no GPU of this number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public static void RequireGpu(int gpu)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gpu);
        Require(DeviceType.CUDA);
        int count = cuda.device_count();
        if (gpu >= count)
            throw new ArgumentOutOfRangeException(nameof(gpu), gpu, $"There is no GPU {gpu}: libtorch sees {count}, numbered from 0.");
    }

    /// <summary>What a check says, or null.</summary>
    public static Exception? FailureOf(Action check)
    {
        try
        {
            check();
            return null;
        }
        catch (Exception missing) when (missing is InvalidOperationException or PlatformNotSupportedException or ArgumentException)
        {
            return missing;
        }
    }

    /// <summary>For messages, such as "TorchSharp 0.107.0, libtorch 2.10.0".</summary>
    public static string Versions => $"TorchSharp {Version}, {LibTorch}";

    /// <summary>The libtorch that is loaded; versions before 2.9 do not say which they are.</summary>
    public static string LibTorch => field ??= LibTorchNative.Version is { } version ? $"libtorch {version}" : "libtorch of unknown version";

    /// <summary>Throws where TorchSharp does not exist for a system, or has no such device on it.</summary>
    /// <exception cref="PlatformNotSupportedException">So it is.</exception>
    public static void CheckSystem(DeviceType type, HostSystem system)
    {
        bool supported = system.IsAppleMac || (system.System == HostSystem.Windows && system.Processor is (Architecture.X64 or Architecture.Arm64))
            || (system.System == HostSystem.Linux && system.Processor == Architecture.X64);
        if (!supported)
            throw new PlatformNotSupportedException($"TorchSharp {Version} has no native libraries for {system}; it has them for Windows on x64 and Arm64, " +
                "Linux on x64 and macOS on Arm64.");
        if (type == DeviceType.MPS && !system.IsAppleMac)
            throw new PlatformNotSupportedException($"MPS is the GPU of a Mac with an Apple processor, and this is {system}.");
        if (type == DeviceType.CUDA && (system.IsAppleMac || system.GpuPackage is null))
            throw new PlatformNotSupportedException($"TorchSharp has CUDA for Windows and Linux on x64; this is {system}.");
    }

    private static bool RunsFromPackageFolder =>
        Path.GetDirectoryName(typeof(torch).Assembly.Location) is { Length: > 0 } folder && Path.GetFileName(Path.GetDirectoryName(folder)) == "lib";

    private static bool TryLoad(string library) => NativeLibrary.TryLoad(library, typeof(torch).Assembly, null, out _);

    private static bool TryInitialize(DeviceType type)
    {
        try
        {
            return TryInitializeDeviceType(type);
        }
        catch (Exception failure) when (failure is TypeInitializationException or NotSupportedException)
        {
            throw new InvalidOperationException($"libtorch is there and cannot be started: {(failure.InnerException ?? failure).Message}", failure);
        }
    }

    private static string InformationalVersion(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? assembly.GetName().Version!.ToString();
}

using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Devices;

/// <summary>An operating system on a processor, and the package that brings a GPU's libraries to it.</summary>
/// <param name="System">One of the names below, or another.</param>
/// <param name="Processor">Of the process: x64 where one is emulated.</param>
internal readonly record struct HostSystem(string System, Architecture Processor)
{
    public const string Windows = "Windows", Linux = "Linux", Mac = "macOS";

    /// <summary>That of this process.</summary>
    public static HostSystem Current { get; } = new(
        OperatingSystem.IsWindows() ? Windows : OperatingSystem.IsLinux() ? Linux : OperatingSystem.IsMacOS() ? Mac : RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture);

    /// <summary>A Mac whose GPU libtorch can use, through MPS.</summary>
    public bool IsAppleMac => System == Mac && Processor == Architecture.Arm64;

    /// <summary>TorchSharp's package with libtorch for the GPU of this system; null where there is none.</summary>
    public string? GpuPackage => (System, Processor) switch
    {
        (Windows, Architecture.X64) => "TorchSharp-cuda-windows",
        (Linux, Architecture.X64) => "TorchSharp-cuda-linux",
        (Mac, Architecture.Arm64) => "TorchSharp-cpu", // MPS is part of it
        _ => null,
    };

    /// <summary>Such as "Linux on Arm64".</summary>
    public override string ToString() => $"{System} on {Processor}";
}

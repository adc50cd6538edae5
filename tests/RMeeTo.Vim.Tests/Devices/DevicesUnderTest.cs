using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>Every device that the operator table and the golden operator data are run on. A new device is one line here.</summary>
internal static class DevicesUnderTest
{
    public static IReadOnlyList<Func<VimDevice>> All { get; } =
    [
        () => new ReferenceDevice(), // against itself: shows that the cases are sound
        .. SimdWidths.Supported.Select<SimdWidth, Func<VimDevice>>(width => () => CpuDevice.Create(width)),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. All.Select(NameOf)];

    public static VimDevice Create(string name) => All[Names.ToList().IndexOf(name)]();

    /// <summary>False for a device on which networks of the published sizes take so long that it runs one of them.</summary>
    public static bool RunsAllRealSizes(string name) => name.StartsWith("CPU", StringComparison.Ordinal);

    /// <summary>True where the bits of a row do not depend on how many rows there are beside it.</summary>
    public static bool KeepsBits(string name) => true;

    private static string NameOf(Func<VimDevice> factory)
    {
        using VimDevice device = factory();
        return device.Name;
    }
}

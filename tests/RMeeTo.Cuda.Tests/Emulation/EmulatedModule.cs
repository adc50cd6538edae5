using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>One text with kernels, compiled for the CPU and loaded.</summary>
internal sealed unsafe class EmulatedModule
{
    private static readonly ConcurrentDictionary<string, Lazy<EmulatedModule>> s_modules = [];
    private readonly delegate* unmanaged<EmulatedLaunch*, byte*, int, int> _launch;
    private readonly Dictionary<string, EmulatedKernel> _kernels = [];
    private readonly Lock _lock = new();
    private readonly string _path;

    private EmulatedModule(string path)
    {
        _path = path;
        nint library = NativeLibrary.Load(path);
        _launch = (delegate* unmanaged<EmulatedLaunch*, byte*, int, int>)NativeLibrary.GetExport(library, "cuda_launch");
        for (var entry = (KernelEntry*)NativeLibrary.GetExport(library, "cuda_kernels"); entry->Name != null; entry++)
        {
            string name = Marshal.PtrToStringUTF8((nint)entry->Name)!;
            _kernels[name] = new EmulatedKernel(this, name, entry->Run, entry->ArgumentBytes, entry->LargestBlock);
        }
    }

    /// <summary>The kernels of a text: compiled, or found compiled.</summary>
    /// <param name="unit">For messages.</param>
    /// <param name="source">The text.</param>
    /// <param name="watched">Every access to memory is checked, which takes some ten times as long.</param>
    public static EmulatedModule Load(string unit, string source, bool watched = false)
    {
        string path = EmulatedLibrary.Build(unit, source, watched);
        return s_modules.GetOrAdd(path, _ => new(() => new EmulatedModule(path))).Value;
    }

    /// <summary>A kernel by name.</summary>
    public EmulatedKernel this[string name] => _kernels.TryGetValue(name, out var kernel)
        ? kernel
        : throw new EmulationException($"There is no kernel '{name}'; there are: {string.Join(", ", _kernels.Keys.Order(StringComparer.Ordinal))}.");

    /// <summary>Runs a launch. Launches of one text run one after another: they share its static memory.</summary>
    /// <exception cref="EmulationException">The kernel did what it must not.</exception>
    public void Run(EmulatedLaunch launch, string kernel)
    {
        const int room = 4096;
        byte* message = stackalloc byte[room];
        lock (_lock)
            if (_launch(&launch, message, room) != 0)
                throw new EmulationException($"{kernel}, {CppCompiler.Installed!.WithLines(_path, Marshal.PtrToStringUTF8((nint)message)!)}");
    }

    /// <summary><c>cuda_kernel</c> of cuda_on_cpu.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct KernelEntry
    {
        public readonly byte* Name;
        public readonly nint Run;
        public readonly int ArgumentBytes, LargestBlock;
    }
}

/// <summary>A kernel that can be run.</summary>
/// <param name="Module">The text that it is of.</param>
/// <param name="Name">Its name.</param>
/// <param name="Run">Runs one thread.</param>
/// <param name="ArgumentBytes">Size of its argument.</param>
/// <param name="LargestBlock">Threads of a block at most.</param>
internal sealed record EmulatedKernel(EmulatedModule Module, string Name, nint Run, int ArgumentBytes, int LargestBlock);

/// <summary><c>Launch</c> of cuda_blocks.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct EmulatedLaunch
{
    public nint Run;
    public void* Argument;
    public int GridX, GridY, GridZ, Threads, SharedBytes;
    public LaunchOrder Order;
    public int RegionCount;
    public ulong Seed;
    public EmulatedRegion* Regions;
}

/// <summary><c>Region</c> of cuda_checks.h: an allocation.</summary>
internal readonly record struct EmulatedRegion(nint Start, nint End);

/// <summary>The order in which blocks run, and warps and lanes between two barriers. Right kernels give the same results in each.</summary>
public enum LaunchOrder
{
    /// <summary>The first first.</summary>
    Forward,

    /// <summary>The last first.</summary>
    Reverse,

    /// <summary>Another order for every block and barrier, drawn from a seed.</summary>
    Shuffled,
}

using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>
/// One text with kernels, compiled for the CPU and loaded. Compiled libraries stay in the folder "emulation" beside the tests, under a name that is a hash of
/// all that goes into them.
/// </summary>
internal sealed unsafe partial class EmulatedModule
{
    private static readonly ConcurrentDictionary<string, Lazy<EmulatedModule>> s_modules = [];
    private const string Blocks = "cuda_blocks.cpp", Checks = "cuda_checks.cpp";
    private static readonly string[] s_parts = ["cuda_on_cpu.h", "cuda_threads.h", "cuda_checks.h", Blocks, Checks];

    // Compute capability 7.0: the plain path of every text.
    private static readonly string[] s_definitions = ["CUDA_EMULATED=1", "__CUDA_ARCH__=700", "__CUDACC__=1", "__CUDACC_RTC__=1"];

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
        var (compiler, key) = KeyOf(source, watched);
        return s_modules.GetOrAdd(key, _ => new(() => new EmulatedModule(Build(compiler, unit, source, watched, key)))).Value;
    }

    /// <summary>The library of a text, compiled and not loaded.</summary>
    public static string Build(string unit, string source)
    {
        var (compiler, key) = KeyOf(source, watched: false);
        return Build(compiler, unit, source, watched: false, key);
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

    private static (CppCompiler Compiler, string Key) KeyOf(string source, bool watched)
    {
        CppCompiler compiler = CppCompiler.Installed ?? throw new PlatformNotSupportedException(CppCompiler.Missing);
        return (compiler, Hash([compiler.Version, watched ? "watched" : "", .. CppCompiler.Options, .. s_definitions, .. s_parts.Select(ReadPart), source]));
    }

    private static string Build(CppCompiler compiler, string unit, string source, bool watched, string key)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "emulation"), target = Path.Combine(folder, key + ".so");
        if (File.Exists(target)) return target;
        string work = Directory.CreateDirectory(Path.Combine(folder, $"{key}-{Guid.NewGuid():N}")).FullName;
        foreach (string part in s_parts) File.WriteAllText(Path.Combine(work, part), ReadPart(part));
        string text = Path.Combine(work, "kernels.cu"), code = Path.Combine(work, "kernels.cpp"), built = Path.Combine(work, "library.so");
        File.WriteAllText(text, $"#line 1 \"{unit}\"\n{source}");
        File.WriteAllText(code, Registered(compiler.Preprocess(text, s_definitions)));
        compiler.CompileKernels(code, code + ".o", watched);
        string[] own = [.. (watched ? [Blocks, Checks] : new[] { Blocks }).Select(part => Path.Combine(work, part))];
        foreach (string part in own) compiler.Compile(part, part + ".o");
        compiler.Link(built, [code + ".o", .. own.Select(part => part + ".o")]);
        File.Move(built, target, overwrite: true); // whole or not at all, whoever else builds it
        Directory.Delete(work, recursive: true);
        return target;
    }

    /// <summary>A preprocessed text between the header and a table of its kernels; without a namespace its functions could clash with those of C.</summary>
    private static string Registered(string text)
    {
        var code = new StringBuilder("#include \"cuda_on_cpu.h\"\nnamespace {\n").Append(text).Append("\n}\n");
        code.Append("extern \"C\" __attribute__((visibility(\"default\"))) const cuda_kernel cuda_kernels[] = {\n");
        foreach (Match kernel in KernelPattern().Matches(text))
        {
            string name = kernel.Groups["name"].Value;
            code.Append($"    {{\"{name}\", cuda_entry<{name}>::run, cuda_entry<{name}>::bytes, cuda_largest_block({kernel.Groups["bounds"].Value})}},\n");
        }
        return code.Append("    {}\n};\n").ToString();
    }

    private static string ReadPart(string name)
    {
        using var reader = new StreamReader(typeof(EmulatedModule).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    private static string Hash(IEnumerable<string> parts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))))[..32];

    [GeneratedRegex("""extern\s+"C"\s+__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\((?<bounds>[^;{}]*?)\)\s*)?(?:void\s+)?(?<name>\w+)\s*\(""")]
    private static partial Regex KernelPattern();

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

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using RMeeTo.Cuda.Tests.Emulation;

namespace RMeeTo.Cuda.Tests.StandInCuda;

/// <summary>
/// Libraries with the names of CUDA's that are none of CUDA: our own C++ (the folder Cpp), which runs kernels on the CPU and is as strict as CUDA's
/// documentation. A process that is started beside them goes the whole way of a program on a machine with a GPU: search, driver, compiler, cache, cuBLAS.
/// </summary>
internal static class StandInInstallation
{
    private static readonly string[] s_driver = ["driver_device.cpp", "driver_memory.cpp", "driver_modules.cpp", "driver_streams.cpp"];
    private static readonly string[] s_parts = [.. s_driver, "driver.h", "standin.h", "cuda_api.h", "nvrtc.cpp", "cublas.cpp", "empty.cpp"];
    private static readonly string[] s_emulator = ["cuda_on_cpu.h", "cuda_threads.h", "cuda_checks.h", "cuda_blocks.cpp"];
    private static readonly Lazy<string> s_root = new(Build);

    /// <summary>True where it can be built: elsewhere libraries have other names.</summary>
    public static bool IsPossible =>
        CppCompiler.Installed is not null && OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Folder with what the driver's installation brings: libcuda.so.1.</summary>
    public static string Driver => Path.Combine(s_root.Value, "driver");

    /// <summary>Folder with the libraries of a toolkit, 12 or 13.</summary>
    public static string Toolkit(int version) => Path.Combine(s_root.Value, $"toolkit{version}");

    /// <summary>What the libraries themselves need: settings of the stand-in for NVRTC.</summary>
    public static IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["STANDIN_CUDA_HOME"] = Path.Combine(s_root.Value, "home"),
        ["STANDIN_CUDA_CXX"] = CppCompiler.Installed!.Path,
        ["STANDIN_CUDA_CXXFLAGS"] = string.Join(' ', CppCompiler.Options),
    };

    /// <summary>Checks our declarations against NVIDIA's headers in a folder.</summary>
    /// <exception cref="EmulationException">They differ, or there is something wrong with the headers.</exception>
    public static void CompareWith(string headers)
    {
        foreach (string part in s_parts.Where(part => part.EndsWith(".cpp", StringComparison.Ordinal)))
            CppCompiler.Installed!.CompileLibrary("/dev/null", "-fsyntax-only", "-DTOOLKIT=12", "-DSTANDIN_OFFICIAL_HEADERS", "-isystem", headers,
                Path.Combine(s_root.Value, "source", part));
    }

    private static string Build()
    {
        CppCompiler compiler = CppCompiler.Installed ?? throw new PlatformNotSupportedException(CppCompiler.Missing);
        string[] texts = [compiler.Version, .. CppCompiler.Options, .. s_parts.Concat(s_emulator).Select(Read)];
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', texts))))[..16];
        string folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "stand-in-cuda")).FullName, root = Path.Combine(folder, key);
        if (Directory.Exists(root)) return root;
        string work = $"{root}-{Guid.NewGuid():N}";
        string Folder(string name) => Directory.CreateDirectory(Path.Combine(work, name)).FullName;
        foreach (string part in s_parts) File.WriteAllText(Path.Combine(Folder("source"), part), Read(part));
        foreach (string part in s_emulator) File.WriteAllText(Path.Combine(Folder("home"), part), Read(part));
        string Source(string name) => Path.Combine(work, "source", name);

        compiler.Compile(Path.Combine(work, "home", "cuda_blocks.cpp"), Path.Combine(work, "home", "cuda_blocks.o"));
        Library(compiler, Folder("driver"), "libcuda.so.1", [.. s_driver.Select(Source)]);
        foreach (var (toolkit, minor) in new[] { (12, "12.8"), (13, "13.0") })
        {
            string target = Folder($"toolkit{toolkit}"), definition = $"-DTOOLKIT={toolkit}";
            Library(compiler, target, $"libnvrtc-builtins.so.{minor}", Source("empty.cpp"));
            Library(compiler, target, $"libcublasLt.so.{toolkit}", Source("empty.cpp"));
            Library(compiler, target, $"libnvrtc.so.{toolkit}", definition, Source("nvrtc.cpp"), "-lstdc++");
            // Needs libcublasLt by its name, as the real one does: whoever loads it sees to it that it is found.
            Library(compiler, target, $"libcublas.so.{toolkit}", definition, Source("cublas.cpp"), "-Wl,--no-as-needed", $"-L{target}",
                $"-l:libcublasLt.so.{toolkit}");
        }
        try
        {
            Directory.Move(work, root);
        }
        catch (IOException) when (Directory.Exists(root))
        {
            Directory.Delete(work, recursive: true); // another process was first
        }
        return root;
    }

    private static void Library(CppCompiler compiler, string folder, string name, params string[] arguments) =>
        compiler.CompileLibrary(Path.Combine(folder, name), [.. arguments, $"-Wl,-soname,{name}"]);

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(StandInInstallation).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}

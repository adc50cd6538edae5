using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace RMeeTo.Cuda;

/// <summary>A library of CUDA by its file names.</summary>
/// <param name="What">For messages, such as "cuBLAS".</param>
/// <param name="Pattern">Names of the files that are it; the group "major" is the version of CUDA.</param>
/// <param name="Companions">Names of files that it loads on its own; loaded before it from the same folder, since the system may not look there.</param>
/// <param name="SystemNames">Names under which the system may know it, the newest first.</param>
internal sealed record CudaLibrary(string What, string Pattern, string Companions, string[] SystemNames)
{
    private static bool Windows => RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    /// <summary>The compiler. In the TorchSharp packages its name holds a hash on Linux: libnvrtc-2bb82d1a.so.12.</summary>
    public static CudaLibrary Nvrtc { get; } = Windows
        ? new("NVRTC, the compiler of CUDA,", @"^nvrtc64_(?<major>1[23])\d_\d\.dll$", @"^nvrtc-builtins64_\d+\.dll$",
            ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"])
        : new("NVRTC, the compiler of CUDA,", @"^libnvrtc(-[0-9a-f]+)?\.so\.(?<major>1[23])(\.[\d.]+)?$",
            @"^libnvrtc-builtins(-[0-9a-f]+)?\.so(\.[\d.]+)?$", ["libnvrtc.so.13", "libnvrtc.so.12"]);

    /// <summary>Matrix products.</summary>
    public static CudaLibrary Cublas { get; } = Windows
        ? new("cuBLAS", @"^cublas64_(?<major>1[23])\.dll$", @"^cublasLt64_1[23]\.dll$", ["cublas64_13.dll", "cublas64_12.dll"])
        : new("cuBLAS", @"^libcublas(-[0-9a-f]+)?\.so\.(?<major>1[23])(\.[\d.]+)?$", @"^libcublasLt(-[0-9a-f]+)?\.so\.1[23](\.[\d.]+)?$",
            ["libcublas.so.13", "libcublas.so.12"]);

    /// <summary>True for a file of this library that is no newer than a version of CUDA.</summary>
    public bool IsFile(string name, int newest) => Regex.Match(name, Pattern) is { Success: true } match && int.Parse(match.Groups["major"].Value) <= newest;
}

/// <summary>
/// Finds CUDA's libraries: in the folder that <see cref="Variable"/> names, with the application (where the TorchSharp packages put them), in a CUDA Toolkit,
/// and where the system looks. Libraries that are newer than the driver are left alone: it does not run what they make.
/// </summary>
/// <param name="roots">Folders under which the places where such libraries lie are looked for, in order.</param>
/// <param name="newest">The version of CUDA that the driver is for, such as 12; asked when a library is needed.</param>
internal sealed class LibrarySearch(IReadOnlyList<string> roots, Func<int> newest)
{
    /// <summary>Environment variable with a folder, or several, that come before all others.</summary>
    public const string Variable = "RMEETO_CUDA_LIBRARIES";

    // Under a root: itself; a NuGet package or published application; a toolkit on either system; site-packages of Python with CUDA beside or inside torch.
    private static readonly string[] s_below =
    [
        ".", $"runtimes/{RuntimeInformation.RuntimeIdentifier}/native", $"runtimes/{PortableRuntime}/native", "bin", "bin/x64", "lib64", "lib",
        "targets/x86_64-linux/lib", "targets/sbsa-linux/lib", "torch/lib", "nvidia/cuda_nvrtc/lib", "nvidia/cublas/lib", "nvidia/cu13/lib",
        "nvidia/cuda_nvrtc/bin", "nvidia/cublas/bin", "nvidia/cu13/bin/x86_64", "../nvidia/cuda_nvrtc/lib", "../nvidia/cublas/lib", "../nvidia/cu13/lib",
        "../nvidia/cuda_nvrtc/bin", "../nvidia/cublas/bin", "../nvidia/cu13/bin/x86_64", "../../nvidia/cuda_nvrtc/lib", "../../nvidia/cublas/lib",
        "../../nvidia/cu13/lib", "../../nvidia/cuda_nvrtc/bin", "../../nvidia/cublas/bin", "../../nvidia/cu13/bin/x86_64",
    ];

    /// <summary>The places of this machine.</summary>
    public static LibrarySearch OfThisMachine { get; } = new([.. Roots()], () => CudaDriver.Version is 0 ? int.MaxValue : CudaDriver.Version / 1000);

    /// <summary>The folders that exist, in the order in which they are searched.</summary>
    public IReadOnlyList<string> Folders { get; } =
        [.. roots.SelectMany(root => s_below.Select(below => Path.GetFullPath(Path.Combine(root, below)))).Where(Directory.Exists).Distinct()];

    /// <summary>The files that are a library, the best folder first, and in a folder the newest version.</summary>
    public IEnumerable<string> Find(CudaLibrary library)
    {
        int major = newest();
        return Folders.SelectMany(folder => Matching(folder, name => library.IsFile(name, major)));
    }

    /// <summary>Loads a library.</summary>
    /// <exception cref="CudaUnavailableException">It is nowhere, or nowhere whole.</exception>
    public NativeFunctions Load(CudaLibrary library)
    {
        foreach (string file in Find(library))
        {
            foreach (string companion in Matching(Path.GetDirectoryName(file)!, name => Regex.IsMatch(name, library.Companions)))
                NativeLibrary.TryLoad(companion, out _);
            if (NativeLibrary.TryLoad(file, out nint handle)) return new(file, handle);
        }
        int major = newest();
        foreach (string name in library.SystemNames.Where(name => library.IsFile(name, major)))
            if (NativeLibrary.TryLoad(name, out nint handle)) return new(name, handle);
        throw CudaUnavailableException.NoLibrary(library.What, library.SystemNames, Folders, major);
    }

    private static string PortableRuntime =>
        $"{(RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "win" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    private static IEnumerable<string> Matching(string folder, Func<string, bool> matches)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder).Where(path => matches(Path.GetFileName(path))).OrderDescending(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static IEnumerable<string> Roots()
    {
        foreach (string folder in Split(Environment.GetEnvironmentVariable(Variable))) yield return folder;
        yield return AppContext.BaseDirectory;
        // The folders of the native files of packages, where the application runs from its build output.
        foreach (string folder in Split(AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string)) yield return folder;
        foreach (string variable in new[] { "CUDA_PATH", "CUDA_HOME" })
            foreach (string folder in Split(Environment.GetEnvironmentVariable(variable))) yield return folder;
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) yield return "/usr/local/cuda";
    }

    private static string[] Split(string? folders) =>
        (folders ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary>A loaded library.</summary>
/// <param name="path">Its file, or its name where the system found it.</param>
/// <param name="handle">Its handle; loaded for the life of the process.</param>
internal sealed class NativeFunctions(string path, nint handle)
{
    /// <summary>Its file, or its name where the system found it.</summary>
    public string Path => path;

    /// <summary>The address of a function.</summary>
    /// <exception cref="CudaUnavailableException">The library does not have it.</exception>
    public nint this[string name] => NativeLibrary.TryGetExport(handle, name, out nint address)
        ? address
        : throw new CudaUnavailableException($"'{path}' has no function {name}: it is not of CUDA 12 or 13.");
}

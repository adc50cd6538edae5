using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.RegularExpressions;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>The C++ compiler of this machine: environment variable CXX, else g++, clang++ or c++. Without one, tests that need it are skipped.</summary>
internal sealed partial class CppCompiler
{
    // No -ffast-math: kernels see NaN and infinity. Contraction into fused operations as on the GPU, where this processor has them.
    private static readonly string[] s_options =
    [
        "-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-fno-strict-aliasing", "-ffp-contract=fast",
        "-U_FORTIFY_SOURCE", "-w",
    ];

    private readonly string _path;

    private CppCompiler(string path)
    {
        _path = path;
        Version = Run("--version").Split('\n')[0];
    }

    /// <summary>The compiler, or null.</summary>
    public static CppCompiler? Installed { get; } = Find();

    /// <summary>Why kernels cannot be emulated here.</summary>
    public const string Missing =
        "Emulating CUDA needs a C++ compiler (g++ or clang++, or the one that the environment variable CXX names) on Linux or macOS; there is none here.";

    /// <summary>Has the test that calls this skipped, with a message, where there is none.</summary>
    public static void Require()
    {
        if (Installed is null) Assert.Inconclusive(Missing);
    }

    /// <summary>First line of what it says about itself.</summary>
    public string Version { get; }

    /// <summary>Options of every compilation on this machine.</summary>
    public static IReadOnlyList<string> Options { get; } = Fma.IsSupported && Avx2.IsSupported ? [.. s_options, "-mfma", "-mavx2"] : s_options;

    /// <summary>Expands macros and conditions.</summary>
    public string Preprocess(string path, params string[] definitions) => Run(["-E", "-std=c++17", "-x", "c++", .. definitions.Select(d => "-D" + d), path]);

    /// <summary>Compiles kernels: with checks of arrays and alignment, or of every access. The functions that these call are in our own files.</summary>
    public void CompileKernels(string source, string target, bool watched) =>
        Run([.. Options, .. (string[])(watched ? ["-fsanitize=thread", "-g1", "-gdwarf-4"] : ["-fsanitize=bounds,alignment"]), "-c", source, "-o", target]);

    /// <summary>Compiles what is itself a part of the emulator.</summary>
    public void Compile(string source, string target) => Run([.. Options, "-c", source, "-o", target]);

    /// <summary>A message with file and line for every "[pc 0x12]" in it, if there is a tool that knows them.</summary>
    public string WithLines(string library, string message) => ProgramCounter().Replace(message, match =>
    {
        try
        {
            return Execute("addr2line", "-s", "-e", library, match.Groups[1].Value).Trim().Split(' ')[0];
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or EmulationException)
        {
            return match.Value;
        }
    });

    /// <summary>Compiles and links in one.</summary>
    public void CompileLibrary(string target, params string[] arguments) => Run([.. Options, "-shared", .. arguments, "-o", target, "-lm", "-ldl", "-lpthread"]);

    /// <summary>The program.</summary>
    public string Path => _path;

    /// <summary>Links to a library. Without the sanitizer: its functions are ours.</summary>
    public void Link(string target, params string[] objects) => Run(["-shared", .. objects, "-o", target, "-lm", "-ldl"]);

    private string Run(params string[] arguments) => Execute(_path, arguments);

    private static string Execute(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new EmulationException($"{program} {string.Join(' ', arguments)}\n{errors.Result}");
    }

    private static CppCompiler? Find()
    {
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) return null;
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        string? found = new[] { Environment.GetEnvironmentVariable("CXX"), "g++", "clang++", "c++" }
            .Where(name => !string.IsNullOrEmpty(name))
            .SelectMany(name => folders.Select(folder => System.IO.Path.Combine(folder, name!)))
            .FirstOrDefault(File.Exists);
        return found is null ? null : new CppCompiler(found);
    }

    [GeneratedRegex(@"\[pc (0x[0-9a-f]+)\]")]
    private static partial Regex ProgramCounter();
}

/// <summary>What the emulator found wrong with a kernel or a launch.</summary>
internal sealed class EmulationException(string message) : Exception(message);

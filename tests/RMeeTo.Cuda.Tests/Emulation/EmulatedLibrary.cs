using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>
/// Compiles texts with kernels for the CPU. What is compiled stays in the folder "emulation" beside the tests, under a name that is a hash of all that goes
/// into it.
/// </summary>
internal static partial class EmulatedLibrary
{
    private const string Dialect = "cuda_on_cpu.h", Blocks = "cuda_blocks.cpp", Checks = "cuda_checks.cpp";
    private static readonly string[] s_parts = [Dialect, "cuda_threads.h", "cuda_checks.h", Blocks, Checks];

    // Compute capability 7.0: the plain path of every text.
    private static readonly string[] s_definitions = ["CUDA_EMULATED=1", "__CUDA_ARCH__=700", "__CUDACC__=1", "__CUDACC_RTC__=1"];

    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "emulation");
    private static readonly ConcurrentDictionary<string, Lazy<string>> s_built = [];

    /// <summary>The library of a text: compiled, or found compiled.</summary>
    /// <param name="unit">Its name, for messages.</param>
    /// <param name="source">The text.</param>
    /// <param name="watched">Every access to memory is checked.</param>
    /// <returns>Its path.</returns>
    public static string Build(string unit, string source, bool watched = false)
    {
        CppCompiler compiler = CppCompiler.Installed ?? throw new PlatformNotSupportedException(CppCompiler.Missing);
        string[] own = [.. (watched ? [Blocks, Checks] : new[] { Blocks }).Select(part => OwnObject(compiler, part))];
        return Once(compiler, ".so", [watched ? "watched" : "", .. s_definitions, source], (work, target) =>
        {
            string text = Path.Combine(work, "kernels.cu"), code = Path.Combine(work, "kernels.cpp"), kernels = Path.Combine(work, "kernels.o");
            File.WriteAllText(text, $"#line 1 \"{unit}\"\n{source}");
            File.WriteAllText(code, Registered(compiler.Preprocess(text, s_definitions)));
            compiler.CompileKernels(code, kernels, watched);
            compiler.Link(target, [kernels, .. own]);
        });
    }

    /// <summary>A part of the emulator, compiled: it is linked to every library, which so has a memory of its own.</summary>
    private static string OwnObject(CppCompiler compiler, string part) =>
        Once(compiler, ".o", [part], (work, target) => compiler.Compile(Path.Combine(work, part), target));

    /// <summary>Makes a file from all that goes into it, unless it is there.</summary>
    private static string Once(CppCompiler compiler, string extension, IEnumerable<string> from, Action<string, string> make)
    {
        string path = Path.Combine(s_folder, Hash([compiler.Version, .. CppCompiler.Options, .. s_parts.Select(ReadPart), .. from]) + extension);
        return s_built.GetOrAdd(path, _ => new(() =>
        {
            if (File.Exists(path)) return path;
            string work = Directory.CreateDirectory($"{path}-{Guid.NewGuid():N}").FullName, target = Path.Combine(work, "target" + extension);
            foreach (string part in s_parts) File.WriteAllText(Path.Combine(work, part), ReadPart(part));
            make(work, target);
            File.Move(target, path, overwrite: true); // whole or not at all, whoever else makes it
            Directory.Delete(work, recursive: true);
            return path;
        })).Value;
    }

    /// <summary>A preprocessed text between the header and a table of its kernels; without a namespace its functions could clash with those of C.</summary>
    private static string Registered(string text)
    {
        var code = new StringBuilder($"#include \"{Dialect}\"\nnamespace {{\n").Append(text).Append("\n}\n");
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
        using var reader = new StreamReader(typeof(EmulatedLibrary).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    private static string Hash(IEnumerable<string> parts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))))[..32];

    [GeneratedRegex("""extern\s+"C"\s+__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\((?<bounds>[^;{}]*?)\)\s*)?(?:void\s+)?(?<name>\w+)\s*\(""")]
    private static partial Regex KernelPattern();
}

using System.Text;

namespace RMeeTo.Cuda;

/// <summary>
/// One kernel: a function of an embedded text, compiled with some definitions. Kernels are static fields of the code that launches them; every GPU that runs
/// one keeps its compiled form (<see cref="CudaContext"/>).
/// </summary>
/// <param name="file">Name of the embedded text, such as "scan.cu". It may include other embedded texts.</param>
/// <param name="function">Name of the function.</param>
/// <param name="defines">Preprocessor definitions, such as STATES = 16. Kernels with equal ones share a compilation.</param>
internal sealed class CudaKernel(string file, string function, params (string Name, int Value)[] defines)
{
    private const string Common = "common.cuh";

    /// <summary>Name of the embedded text.</summary>
    public string File { get; } = file;

    /// <summary>Name of the function.</summary>
    public string Function { get; } = function;

    /// <summary>Preprocessor definitions.</summary>
    public IReadOnlyList<(string Name, int Value)> Defines { get; } = defines;

    /// <summary>Kernels of one unit come from one compilation.</summary>
    public string Unit { get; } = string.Join(' ', [file, .. defines.Select(d => $"{d.Name}={d.Value}")]);

    /// <summary>The whole text to compile: definitions, what all kernels share, and the kernel's own.</summary>
    public string ReadSource()
    {
        var source = new StringBuilder();
        foreach (var (name, value) in Defines) source.Append($"#define {name} {value}\n");
        source.Append(ReadText(Common));
        AppendWithIncluded(source, File);
        return source.ToString();
    }

    /// <summary>File, function and definitions.</summary>
    public override string ToString() => $"{Unit}: {Function}";

    /// <summary>Names of all embedded texts with kernels.</summary>
    internal static IEnumerable<string> Files => typeof(CudaKernel).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".cu", StringComparison.Ordinal));

    /// <summary>Nothing can be included where kernels are compiled, so texts that share another one get it here.</summary>
    private static void AppendWithIncluded(StringBuilder source, string name)
    {
        const string Include = "#include \"";
        int number = 0;
        source.Append($"#line 1 \"{name}\"\n");
        foreach (string line in ReadText(name).Split('\n'))
        {
            number++;
            if (!line.StartsWith(Include, StringComparison.Ordinal))
            {
                source.Append(line).Append('\n');
                continue;
            }
            AppendWithIncluded(source, line[Include.Length..line.LastIndexOf('"')]);
            source.Append($"#line {number + 1} \"{name}\"\n");
        }
    }

    private static string ReadText(string name)
    {
        using var stream = typeof(CudaKernel).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{typeof(CudaKernel).Assembly.GetName().Name} has no embedded text '{name}'.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}

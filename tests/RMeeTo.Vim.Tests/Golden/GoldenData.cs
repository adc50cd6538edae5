using System.Text.Json;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Outputs recorded from the official code: a folder given by RMEETO_GOLDEN, or shared/golden beside the repository. Tests that need it are skipped elsewhere.</summary>
internal static class GoldenData
{
    private static readonly string? Folder = Find();

    public static bool IsAvailable => Folder is not null;

    /// <summary>The parsed index file, or a skipped test.</summary>
    public static JsonElement Index(string name) => JsonDocument.Parse(File.ReadAllBytes(PathOf(name))).RootElement.Clone();

    /// <summary>All tensors of a file.</summary>
    public static GoldenFile Open(string name) => new(PathOf(name));

    public static string PathOf(string name)
    {
        if (Folder is null) Assert.Inconclusive("No golden data: set RMEETO_GOLDEN to its folder, or put it into ../shared/golden beside the repository.");
        return Path.Combine(Folder, name);
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("RMEETO_GOLDEN") is { Length: > 0 } given) return given;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "RMeeTo.MLNet.sln"))) continue;
            string candidate = Path.Combine(folder.FullName, "..", "shared", "golden");
            return Directory.Exists(candidate) ? candidate : null;
        }
        return null;
    }
}

using System.Collections.Concurrent;
using System.Text.Json;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>
/// The data recorded from the official program: environment variable RMEETO_GOLDEN, else ../shared/golden beside the repository. It is not part of the repository;
/// tests that need it are inconclusive without it.
/// </summary>
internal static class GoldenData
{
    private static readonly ConcurrentDictionary<string, Lazy<GoldenFile>> s_files = [];

    /// <summary>The folder, or null.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>Case name of the only row that a data-driven test has where the data are absent.</summary>
    public const string Absent = "golden data absent";

    /// <summary>Case name of the only row that a data-driven test has where the data record nothing of its kind.</summary>
    public const string None = "nothing recorded";

    /// <summary>A data file, read once.</summary>
    public static GoldenFile File(string name) => s_files.GetOrAdd(name, n => new(() => new GoldenFile(Path.Combine(Folder!, n)))).Value;

    /// <summary>An index file, parsed.</summary>
    public static JsonElement Index(string name)
    {
        using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(Path.Combine(Folder!, name)));
        return document.RootElement.Clone();
    }

    /// <summary>The cases that an index lists in a group; empty where the data are absent or have no such group.</summary>
    public static IReadOnlyList<JsonElement> Cases(string index, string group)
    {
        return Folder is null || !Index(index).TryGetProperty(group, out JsonElement found) ? [] : [.. found.GetProperty("cases").EnumerateArray()];
    }

    /// <summary>One row for each device and case name; the name tells where there are no data, or none of this kind.</summary>
    public static IEnumerable<object[]> Rows(IEnumerable<string> devices, IEnumerable<string> cases) =>
        from device in devices from name in Rows(() => cases.Select(name => new object[] { name })) select new[] { device, name[0] };

    /// <summary>
    /// The rows of a test whose first argument names a case. Where there are no data, or none of this kind, the only row has the reason for a name, and then
    /// <paramref name="others"/>: a data-driven test without a row would fail.
    /// </summary>
    public static IEnumerable<object[]> Rows(Func<IEnumerable<object[]>> recorded, params object[] others)
    {
        object[][] rows = Folder is null ? [] : [.. recorded()];
        return rows.Length > 0 ? rows : [[Folder is null ? Absent : None, .. others]];
    }

    /// <summary>Ends the test of a case as inconclusive where the data are absent, or <paramref name="caseName"/> tells that they record nothing of its kind.</summary>
    public static void Require(string caseName)
    {
        Require();
        if (caseName == None) Assert.Inconclusive($"The recorded data in {Folder} have no case of this kind.");
    }

    /// <summary>Ends a test as inconclusive where the data are absent.</summary>
    public static void Require()
    {
        if (Folder is null) Assert.Inconclusive("The recorded data are not here. Set RMEETO_GOLDEN to their folder, or put them into ../shared/golden beside the repository.");
    }

    private static string? Find()
    {
        string? folder = Environment.GetEnvironmentVariable("RMEETO_GOLDEN");
        if (string.IsNullOrEmpty(folder))
        {
            var root = new DirectoryInfo(AppContext.BaseDirectory);
            while (root is not null && !System.IO.File.Exists(Path.Combine(root.FullName, "RMeeTo.MLNet.sln"))) root = root.Parent;
            if (root?.Parent is null) return null;
            folder = Path.Combine(root.Parent.FullName, "shared", "golden");
        }
        return System.IO.File.Exists(Path.Combine(folder, "ops_index.json")) ? folder : null;
    }
}

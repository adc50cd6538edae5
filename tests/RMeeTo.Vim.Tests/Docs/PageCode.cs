using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Tests.Docs;

/// <summary>Holds the code in pages of docs to methods of tests, which the compiler reads.</summary>
internal static class PageCode
{
    /// <summary>Every block of C# of a page stands in the calling file, line by line.</summary>
    /// <param name="page">Name of the file in docs.</param>
    /// <param name="heading">Only what follows this line, up to the next heading of its level; null: the whole page.</param>
    /// <param name="source">The calling file.</param>
    public static void AssertCompiled(string page, string? heading = null, [CallerFilePath] string source = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(source)!, "..", "..", "..", "docs", page);
        if (!File.Exists(path)) Assert.Inconclusive($"The sources of the tests are not here: '{path}' is missing.");
        string compiled = string.Join('\n', File.ReadAllLines(source).Select(line => line.Trim())), text = File.ReadAllText(path).ReplaceLineEndings("\n");
        if (heading is not null)
        {
            string[] sections = text.Split($"\n{heading}\n");
            Assert.HasCount(2, sections, $"{page} has '{heading}' once");
            text = sections[1].Split($"\n{heading.Split(' ')[0]} ")[0];
        }
        string[] parts = text.Split("```csharp\n");
        Assert.IsGreaterThan(1, parts.Length, "the page has no code");
        foreach (string part in parts.Skip(1))
        {
            string block = string.Join('\n', part[..part.IndexOf("\n```", StringComparison.Ordinal)].Split('\n').Select(line => line.Trim()));
            Assert.Contains(block, compiled, $"This block of {page} is not in {Path.GetFileName(source)}:\n{block}");
        }
    }
}

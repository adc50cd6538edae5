using System.Runtime.CompilerServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>The stand-in is a help for the build, no second ML.NET: what no stage, test or sample uses has to go.</summary>
[TestClass]
public sealed class StandInSizeTests
{
    private const int MostLines = 2500, MostColumns = 160;

    [TestMethod]
    public void StandInStaysSmall()
    {
        string folder = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "..", "eng", "standins"));
        if (!Directory.Exists(folder))
            Assert.Inconclusive("The tests run apart from their sources.");
        var files = Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .ToDictionary(f => Path.GetRelativePath(folder, f), File.ReadAllLines);
        int lines = files.Values.Sum(f => f.Length);
        Assert.IsTrue(lines is > 0 and <= MostLines, $"{lines} lines of .cs in eng/standins; at most {MostLines} are allowed. Drop what nobody uses.");
        string? wide = files.FirstOrDefault(f => f.Value.Any(line => line.Length > MostColumns)).Key;
        Assert.IsNull(wide, $"{wide} has lines of more than {MostColumns} characters.");
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}

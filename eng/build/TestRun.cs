using System.Xml.Linq;

namespace RMeeTo.Build;

/// <summary>Builds the solution, runs every test project and sums up what the result files say.</summary>
internal static class TestRun
{
    /// <summary>The line that ends the output: <c>N passed, N failed, N skipped</c>.</summary>
    public static string Summary { get; private set; } = "0 passed, 0 failed, 0 skipped";

    public static int Execute(Settings settings)
    {
        string results = Directory.CreateTempSubdirectory("rmeeto-tests-").FullName;
        try
        {
            int build = Dotnet.Run(["build", "RMeeTo.MLNet.sln", "-c", "Release", "--nologo", "-v", "minimal"]);
            int test = build != 0 ? build : Dotnet.Run(
            [
                "test", "RMeeTo.MLNet.sln", "-c", "Release", "--no-build", "--nologo",
                "--logger", "trx", "--logger", "console;verbosity=minimal", "--results-directory", results, .. settings.Arguments,
            ]);

            int passed = 0, failed = 0, skipped = 0;
            foreach (string file in Directory.EnumerateFiles(results, "*.trx", SearchOption.AllDirectories))
                Add(file, ref passed, ref failed, ref skipped);

            bool nothing = build == 0 && test == 0 && passed + failed + skipped == 0;
            if (nothing)
                Console.Error.WriteLine("error: no test ran.");
            if (failed == 0 && test != 0)
                Console.Error.WriteLine(build != 0 ? "error: the build failed." : "error: the test run broke off.");
            Summary = $"{passed} passed, {failed} failed, {skipped} skipped";
            Console.Error.Flush();
            Console.WriteLine(Summary);
            return test == 0 && failed == 0 && !nothing ? 0 : 1;
        }
        finally
        {
            try { Directory.Delete(results, recursive: true); }
            catch (IOException) { }
        }
    }

    /// <summary>Every result that neither passed nor failed counts as skipped; the file's own counter of those is not filled by all runners.</summary>
    private static void Add(string file, ref int passed, ref int failed, ref int skipped)
    {
        XElement counters = XDocument.Load(file).Descendants().First(e => e.Name.LocalName == "Counters");
        int Count(string name) => (int?)counters.Attribute(name) ?? 0;
        int good = Count("passed"), bad = Count("failed") + Count("error") + Count("timeout") + Count("aborted");
        passed += good;
        failed += bad;
        skipped += Count("total") - good - bad;
    }
}

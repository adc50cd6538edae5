using System.Text.RegularExpressions;

namespace RMeeTo.Build;

/// <summary>
/// Finds out whether the package feed carries ML.NET, and remembers it in eng/feed.props, which every project imports.
/// Only the feed's word that a package does not exist (NU1101, NU1102) leads to the stand-in; any other failure stops.
/// </summary>
internal sealed partial record Feed(bool UseStandIns, string Description)
{
    private static string PropsPath => Path.Combine(Dotnet.Root, "eng", "feed.props");

    public static Feed? Find(Settings settings, bool refresh)
    {
        if (settings.UseStandIns is { } forced)
            return Describe(forced, "forced by the property UseStandIns");
        if (!refresh && File.Exists(PropsPath) && UseStandInsElement().Match(File.ReadAllText(PropsPath)) is { Success: true } known)
            return Describe(known.Groups[1].Value == "true", "as eng/feed.props says; delete it to ask the feed again");
        return Probe();
    }

    private static Feed? Probe()
    {
        // An empty package folder: a cache that still has the packages says nothing about the feed.
        string packages = Directory.CreateTempSubdirectory("rmeeto-probe-").FullName;
        try
        {
            int code = Dotnet.Run(["restore", "eng/probe/probe.csproj", "--packages", packages, "--no-http-cache", "--force", "--verbosity", "quiet"], out string output);
            string[] missing = [.. MissingPackage().Matches(output).Select(m => m.Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];
            bool onlyMissing = OtherError().Count(output) == 0 && missing.Length > 0;
            if (code != 0 && !onlyMissing)
            {
                Console.Error.WriteLine(output);
                Console.Error.WriteLine("error: the package feed could not be asked for ML.NET (above is what restore said). This is no reason to fall back to the");
                Console.Error.WriteLine("error: stand-in: mend the connection and run again, or force a flavour with the environment variable UseStandIns=true or false.");
                return null;
            }

            bool useStandIns = code != 0;
            File.WriteAllText(PropsPath, $"""
                <Project>
                  <!-- Written by test.sh and demo.sh after they asked the package feed; never committed. -->
                  <PropertyGroup>
                    <UseStandIns Condition="'$(UseStandIns)' == ''">{(useStandIns ? "true" : "false")}</UseStandIns>
                  </PropertyGroup>
                </Project>

                """);
            return Describe(useStandIns, useStandIns ? $"the package feed has no {string.Join(", no ", missing)}" : "the package feed carries it");
        }
        finally
        {
            try { Directory.Delete(packages, recursive: true); }
            catch (IOException) { }
        }
    }

    private static Feed Describe(bool useStandIns, string reason) => new(useStandIns, useStandIns
        ? $"ML.NET: the stand-in RMeeTo.StandIn.MLNet ({reason})"
        : $"ML.NET: the packages Microsoft.ML and Microsoft.ML.ImageAnalytics {Version} ({reason})");

    private static string Version => PackageVersion().Match(File.ReadAllText(Path.Combine(Dotnet.Root, "Directory.Packages.props"))).Groups[1].Value;

    [GeneratedRegex("<UseStandIns[^>]*>(true|false)</UseStandIns>")]
    private static partial Regex UseStandInsElement();

    [GeneratedRegex("<MicrosoftMLVersion>(.*?)</MicrosoftMLVersion>")]
    private static partial Regex PackageVersion();

    [GeneratedRegex(@"error NU110[12]: [^\r\n]*?(Microsoft\.ML(?:\.\w+)*)")]
    private static partial Regex MissingPackage();

    [GeneratedRegex(@"error (?!NU1101|NU1102)\w+")]
    private static partial Regex OtherError();
}

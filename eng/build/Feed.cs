using System.Text.RegularExpressions;

namespace RMeeTo.Build;

/// <summary>
/// Finds out whether the package feed carries ML.NET and TorchSharp, and remembers it in eng/feed.props, which every project imports.
/// Only the feed's word that a package does not exist (NU1101, NU1102) leads to the stand-in, or leaves the projects on TorchSharp out; any other failure
/// stops.
/// </summary>
internal sealed partial record Feed(bool UseStandIns, bool UseTorchSharp, string Description)
{
    private static string PropsPath => Path.Combine(Dotnet.Root, "eng", "feed.props");

    public static Feed? Find(Settings settings, bool refresh)
    {
        var (standIns, torchSharp) = (settings.UseStandIns, settings.UseTorchSharp);
        if (standIns is { } forcedStandIns && torchSharp is { } forcedTorchSharp) return Describe(forcedStandIns, forcedTorchSharp, Forced, Forced);
        if (!refresh && Remembered() is var (knownStandIns, knownTorchSharp))
        {
            const string known = "as eng/feed.props says; delete it to ask the feed again";
            return Describe(standIns ?? knownStandIns, torchSharp ?? knownTorchSharp, standIns is null ? known : Forced, torchSharp is null ? known : Forced);
        }
        return Probe() is not { } missing ? null : Describe(
            standIns ?? missing.MlNet.Length > 0, torchSharp ?? missing.TorchSharp.Length == 0,
            standIns is null ? Reason(missing.MlNet) : Forced, torchSharp is null ? Reason(missing.TorchSharp) : Forced);
    }

    private const string Forced = "forced by a property";

    private static string Reason(string[] missing) =>
        missing.Length > 0 ? $"the package feed has no {string.Join(", no ", missing)}" : "the package feed carries it";

    private static (bool UseStandIns, bool UseTorchSharp)? Remembered()
    {
        if (!File.Exists(PropsPath)) return null;
        string text = File.ReadAllText(PropsPath);
        return UseStandInsElement().Match(text) is { Success: true } standIns && UseTorchSharpElement().Match(text) is { Success: true } torchSharp
            ? (standIns.Groups[1].Value == "true", torchSharp.Groups[1].Value == "true")
            : null;
    }

    /// <summary>The packages that the feed does not have.</summary>
    private static (string[] MlNet, string[] TorchSharp)? Probe()
    {
        // An empty package folder: a cache that still has the packages says nothing about the feed.
        string packages = Directory.CreateTempSubdirectory("rmeeto-probe-").FullName;
        try
        {
            string[] restore = ["restore", "eng/probe/probe.csproj", "--packages", packages, "--no-http-cache", "--force", "--verbosity", "quiet"];
            int code = Dotnet.Run(restore, out string output);
            string[] missing = [.. MissingPackage().Matches(output).Select(m => m.Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];
            bool onlyMissing = OtherError().Count(output) == 0 && missing.Length > 0;
            if (code != 0 && !onlyMissing)
            {
                Console.Error.WriteLine(output);
                Console.Error.WriteLine("error: the package feed could not be asked for ML.NET and TorchSharp (above is what restore said). This is no reason to do");
                Console.Error.WriteLine("error: without: mend the connection and run again, or set the environment variables UseStandIns and UseTorchSharp, each to");
                Console.Error.WriteLine("error: true or false.");
                return null;
            }

            string[] torchSharp = [.. missing.Where(name => name.StartsWith("TorchSharp", StringComparison.Ordinal))], mlNet = [.. missing.Except(torchSharp)];
            File.WriteAllText(PropsPath, $"""
                <Project>
                  <!-- Written by test.sh and demo.sh after they asked the package feed; never committed. -->
                  <PropertyGroup>
                    <UseStandIns Condition="'$(UseStandIns)' == ''">{(mlNet.Length > 0 ? "true" : "false")}</UseStandIns>
                    <UseTorchSharp Condition="'$(UseTorchSharp)' == ''">{(torchSharp.Length > 0 ? "false" : "true")}</UseTorchSharp>
                  </PropertyGroup>
                </Project>

                """);
            return (mlNet, torchSharp);
        }
        finally
        {
            try { Directory.Delete(packages, recursive: true); }
            catch (IOException) { }
        }
    }

    private static Feed Describe(bool useStandIns, bool useTorchSharp, string reason, string torchSharpReason)
    {
        string mlNet = useStandIns
            ? $"ML.NET: the stand-in RMeeTo.StandIn.MLNet ({reason})"
            : $"ML.NET: the packages Microsoft.ML and Microsoft.ML.ImageAnalytics {Version("MicrosoftML")} ({reason})";
        string torchSharp = useTorchSharp
            ? $"TorchSharp: the package TorchSharp {Version("TorchSharp")} ({torchSharpReason})"
            : $"TorchSharp: RMeeTo.TorchSharp and what builds on it are left out ({torchSharpReason})";
        return new(useStandIns, useTorchSharp, $"{mlNet}\n{torchSharp}");
    }

    private static string Version(string of) =>
        Regex.Match(File.ReadAllText(Path.Combine(Dotnet.Root, "Directory.Packages.props")), $"<{of}Version>(.*?)</{of}Version>").Groups[1].Value;

    [GeneratedRegex("<UseStandIns[^>]*>(true|false)</UseStandIns>")]
    private static partial Regex UseStandInsElement();

    [GeneratedRegex("<UseTorchSharp[^>]*>(true|false)</UseTorchSharp>")]
    private static partial Regex UseTorchSharpElement();

    [GeneratedRegex(@"error NU110[12]: [^\r\n]*?(Microsoft\.ML(?:\.\w+)*|TorchSharp(?:-\w+)*)")]
    private static partial Regex MissingPackage();

    [GeneratedRegex(@"error (?!NU1101|NU1102)\w+")]
    private static partial Regex OtherError();
}

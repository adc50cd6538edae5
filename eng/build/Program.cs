namespace RMeeTo.Build;

/// <summary>The work behind the root scripts: <c>feed</c>, <c>test</c>, <c>demo</c> and <c>ci</c>, alike on every system.</summary>
internal static class Program
{
    /// <summary>Exit code of benchmarks/RMeeTo.GpuCheck; no other benchmark has it.</summary>
    private const int NoGpu = 2;

    private static int Main(string[] args)
    {
        try
        {
            Settings settings = Settings.Parse(args.Skip(1));
            return (args.FirstOrDefault() ?? "") switch
            {
                "feed" => Run(settings, _ => 0, refresh: true),
                "test" => Run(settings, TestRun.Execute),
                "demo" => Run(settings, Demo),
                "ci" => Run(settings, ContinuousIntegration),
                var other => throw new BuildException($"'{other}' is no command; use feed, test, demo or ci."),
            };
        }
        catch (BuildException e)
        {
            Console.Error.WriteLine("error: " + e.Message);
            return 1;
        }
    }

    private static int Run(Settings settings, Func<Settings, int> command, bool refresh = false)
    {
        if (Feed.Find(settings, refresh) is not { } feed)
            return 1;
        Console.WriteLine(feed.Description);
        return command(settings with { UseStandIns = feed.UseStandIns, UseTorchSharp = feed.UseTorchSharp });
    }

    private static int Demo(Settings settings) => Dotnet.RunProject("samples/QuickStart", settings.Arguments);

    private static int ContinuousIntegration(Settings settings)
    {
        int failed = TestRun.Execute(settings with { Arguments = [] });
        string summary = TestRun.Summary;

        foreach (string sample in Dotnet.ProjectsUnder("samples"))
        {
            if (settings.UseTorchSharp == false && Dotnet.NeedsTorchSharp(sample))
                Console.WriteLine($"--- sample {sample}: left out, for the package feed has no TorchSharp");
            else failed |= Step("sample " + sample, () => Dotnet.RunProject(sample, []));
        }
        failed |= OnRealImages();
        foreach (string benchmark in Dotnet.ProjectsUnder("benchmarks"))
            failed |= Step("benchmark " + benchmark, () => Smoke(benchmark));

        Console.WriteLine(summary);
        return failed == 0 ? 0 : 1;
    }

    /// <summary>A benchmark that needs a GPU says so where there is none, and ends with <see cref="NoGpu"/>.</summary>
    private static int Smoke(string benchmark) => Dotnet.RunProject(benchmark, ["--smoke"]) is var code && code == NoGpu ? 0 : code;

    /// <summary>The main job from scratch on a few photographs: no accuracy to speak of, but every step of it.</summary>
    private static int OnRealImages()
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto-images-").FullName;
        try
        {
            if (!RealImages.Unpack(folder))
            {
                Console.WriteLine("--- real images: left out, for shared/data is not beside the repository and RMEETO_DATA is not set");
                return 0;
            }
            return Step("real images", () => Dotnet.RunProject("samples/QuickStart",
                ["--images", folder, "--from-scratch", "--patch", "16", "--width", "48", "--depth", "6", "--dense-epochs", "3", "--epochs", "1", "--work", Path.Combine(folder, "work")]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Step(string name, Func<int> action)
    {
        Console.WriteLine($"--- {name}");
        int code = action();
        if (code != 0)
            Console.WriteLine($"--- {name}: FAILED, exit code {code}");
        return code;
    }
}

using System.Diagnostics;

namespace RMeeTo.Build;

/// <summary>Runs dotnet in the root of the repository.</summary>
internal static class Dotnet
{
    /// <summary>The root of the repository: the scripts start this program there.</summary>
    public static string Root { get; } = FindRoot();

    public static int Run(IEnumerable<string> arguments) => Start(arguments, null);

    public static int Run(IEnumerable<string> arguments, out string output)
    {
        var lines = new List<string>();
        int code = Start(arguments, lines);
        output = string.Join('\n', lines);
        return code;
    }

    public static int RunProject(string project, IEnumerable<string> arguments)
    {
        if (!Directory.Exists(Path.Combine(Root, project)))
            throw new BuildException($"{project} does not exist.");
        return Run(["run", "-c", "Release", "--project", project, "--", .. arguments]);
    }

    /// <summary>The folders below <paramref name="folder"/> that hold a project, in order of name.</summary>
    public static IEnumerable<string> ProjectsUnder(string folder)
    {
        string path = Path.Combine(Root, folder);
        return !Directory.Exists(path) ? [] : Directory
            .EnumerateFiles(path, "*.csproj", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Root, Path.GetDirectoryName(f)!))
            .Order(StringComparer.Ordinal);
    }

    /// <summary>True for a project that is left out where the feed has no TorchSharp (eng/TorchSharp.targets).</summary>
    public static bool NeedsTorchSharp(string project) => Directory.EnumerateFiles(Path.Combine(Root, project), "*.csproj")
        .Any(file => File.ReadAllText(file).Contains("<NeedsTorchSharp>true</NeedsTorchSharp>", StringComparison.Ordinal));

    private static int Start(IEnumerable<string> arguments, List<string>? lines)
    {
        var info = new ProcessStartInfo("dotnet") { WorkingDirectory = Root, RedirectStandardOutput = lines is not null, RedirectStandardError = lines is not null };
        foreach (string argument in arguments)
            info.ArgumentList.Add(argument);

        // What `dotnet run` tells this program about itself is not meant for the commands it starts.
        foreach (string name in (string[])["MSBuildSDKsPath", "MSBuildExtensionsPath", "MSBuildLoadMicrosoftTargetsReadOnly"])
            info.Environment.Remove(name);
        info.Environment["WithCuda"] = "false"; // 3 GB that a user's own application downloads, no test

        using Process process = Process.Start(info) ?? throw new BuildException("dotnet did not start.");
        if (lines is not null)
        {
            void Keep(object sender, DataReceivedEventArgs e)
            {
                lock (lines)
                    if (e.Data is not null)
                        lines.Add(e.Data);
            }
            process.OutputDataReceived += Keep;
            process.ErrorDataReceived += Keep;
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }
        process.WaitForExit();
        return process.ExitCode;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? d = new(Environment.CurrentDirectory); d is not null; d = d.Parent)
            if (File.Exists(Path.Combine(d.FullName, "RMeeTo.MLNet.sln")))
                return d.FullName;
        throw new BuildException("start this in the repository.");
    }
}

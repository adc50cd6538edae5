using System.Diagnostics;
using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>Starts the test assembly as several processes under mpirun.</summary>
internal static class MpiRun
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    // For Open MPI where tests run: in containers, as root, on machines with fewer processors than processes. Other MPIs do not look at them.
    private static readonly (string Name, string Value)[] s_environment =
    [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"), ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
        ("OMPI_MCA_hwloc_base_binding_policy", "none"), ("PRTE_MCA_hwloc_default_binding_policy", "none"),
        ("OMPI_MCA_btl_vader_single_copy_mechanism", "none"), ("OMPI_MCA_plm", "isolated"), // without ssh
        ("TERM", "dumb"), // otherwise a process that starts another writes control sequences
    ];

    /// <summary>What came of it.</summary>
    /// <param name="ExitCode">Of mpirun.</param>
    /// <param name="Output">Lines that the processes wrote, of all in any order.</param>
    /// <param name="Errors">What they and mpirun wrote to the error stream.</param>
    public sealed record Result(int ExitCode, IReadOnlyList<string> Output, string Errors)
    {
        public override string ToString() => $"exit code {ExitCode}\n{string.Join('\n', Output)}\n{Errors}";
    }

    private static readonly Lazy<string?> s_whyNot = new(Probe);

    /// <summary>Whether its mpirun warns processes before it ends them, so that they can say their last words.</summary>
    public static bool WarnsProcesses { get; private set; }

    /// <summary>Runs to the end; skips the test where there is no mpirun that can start processes.</summary>
    /// <param name="processes">Number of processes.</param>
    /// <param name="arguments">What Program.Main of this assembly gets in each.</param>
    /// <param name="onOutput">Called with every line that a process writes.</param>
    public static Result Run(int processes, IEnumerable<string> arguments, Action<string>? onOutput = null)
    {
        if (s_whyNot.Value is { } why) Assert.Inconclusive(why);
        return Start(["-n", $"{processes}", Dotnet(), "exec", typeof(MpiRun).Assembly.Location, .. arguments], onOutput);
    }

    /// <summary>Why no processes can be started; null where they can.</summary>
    private static string? Probe()
    {
        if (Find() is null) return "Several processes need mpirun, which is not on the path; install openmpi-bin.";
        WarnsProcesses = Start(["--version"]).ToString() is var version && (version.Contains("Open MPI") || version.Contains("OpenRTE"));
        var result = Start(["-n", "2", Dotnet(), "--list-runtimes"]);
        return result.ExitCode == 0 ? null : $"mpirun is here, and cannot start two processes: {result}";
    }

    private static Result Start(IEnumerable<string> arguments, Action<string>? onOutput = null)
    {
        var start = new ProcessStartInfo(Find()!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in s_environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = new List<string>();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (output) output.Add(line.Data);
            onOutput?.Invoke(line.Data);
        };
        process.BeginOutputReadLine();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"mpirun did not end within {s_patience}. It wrote: {string.Join('\n', output)}\n{errors.Result}");
        }
        process.WaitForExit(); // for the last lines
        return new Result(process.ExitCode, output, errors.Result);
    }

    /// <summary>The test host may be a program of the test platform; the runtime's own folder leads to dotnet.</summary>
    private static string Dotnet() =>
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));

    private static string? Find()
    {
        string file = OperatingSystem.IsWindows() ? "mpiexec.exe" : "mpirun";
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists);
    }
}

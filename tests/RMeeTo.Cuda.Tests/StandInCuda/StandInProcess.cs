using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using RMeeTo.Cuda.Tests.Emulation;

namespace RMeeTo.Cuda.Tests.StandInCuda;

/// <summary>A process of its own on a machine that seems to have CUDA.</summary>
internal static class StandInProcess
{
    /// <summary>First argument of the process.</summary>
    public const string Command = "stand-in-cuda";

    /// <summary>Runs a scenario in a process of its own.</summary>
    /// <param name="scenario">A method of <see cref="StandInScenarios"/> or <see cref="StandInMisuse"/>.</param>
    /// <param name="settings">Environment variables; null takes one away.</param>
    /// <returns>What the process wrote, and a line for every call of CUDA that is logged.</returns>
    /// <exception cref="AssertFailedException">The scenario failed.</exception>
    public static (string Output, string[] Calls) Start(Action scenario, params (string Name, string? Value)[] settings)
    {
        if (!StandInInstallation.IsPossible) Assert.Inconclusive($"The stand-in for CUDA is for Linux on x64. {CppCompiler.Missing}");
        string log = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo(Dotnet, ["exec", typeof(StandInProcess).Assembly.Location, Command, scenario.Method.Name])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            };
            foreach (var (name, value) in Environments(log).Concat(settings))
                if (value is null) start.Environment.Remove(name);
                else start.Environment[name] = value;
            using var process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(0, process.ExitCode, $"{scenario.Method.Name}: {output}\n{errors.Result}");
            return (output, File.ReadAllLines(log));
        }
        finally
        {
            File.Delete(log);
        }
    }

    /// <summary>The process itself.</summary>
    /// <returns>Its exit code.</returns>
    public static int Run(string scenario)
    {
        MethodInfo method = new[] { typeof(StandInScenarios), typeof(StandInMisuse) }
            .Select(type => type.GetMethod(scenario, BindingFlags.Public | BindingFlags.Static)).FirstOrDefault(found => found is not null)
            ?? throw new ArgumentException($"There is no scenario '{scenario}'.");
        try
        {
            method.Invoke(null, null);
            return 0;
        }
        catch (TargetInvocationException e)
        {
            Console.Error.WriteLine(e.InnerException);
            return 1;
        }
    }

    // The test host may be a program of the test platform; the runtime's own folder leads to dotnet.
    private static string Dotnet => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    private static IEnumerable<(string, string?)> Environments(string log) =>
    [
        .. StandInInstallation.Settings.Select(setting => (setting.Key, (string?)setting.Value)),
        ("LD_LIBRARY_PATH", StandInInstallation.Driver),
        (LibrarySearch.Variable, StandInInstallation.Toolkit(12)),
        (KernelCache.Variable, ""), // none, unless a test is about it
        ("CUDA_PATH", null),
        ("CUDA_HOME", null),
        ("STANDIN_CUDA_LOG", log),
    ];
}

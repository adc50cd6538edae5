using System.Diagnostics;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Runs this assembly as a program.</summary>
internal static class AnotherProcess
{
    /// <summary>Starts it; the caller reads its output and disposes it.</summary>
    public static Process Start(params string[] arguments)
    {
        string host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path ? path
            : Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        return Process.Start(new ProcessStartInfo(host, ["exec", typeof(AnotherProcess).Assembly.Location, .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
    }
}

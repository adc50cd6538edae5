using RMeeTo.MLNet.Tests.Stage;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>What a test runs in a process of its own.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        if (args is ["score", var model, var folder, var output])
        {
            ScoringProcess.Run(model, folder, output);
            return 0;
        }
        Console.Error.WriteLine("This is a test assembly: run it with 'dotnet test'.");
        return 2;
    }
}

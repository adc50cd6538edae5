using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests;

/// <summary>The test assembly as a process of its own: what a test starts in order to kill it. The test platform does not come here.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is [KilledProcess.Command, var checkpoint, var epoch, var step]) return KilledProcess.Train(checkpoint, int.Parse(epoch), int.Parse(step));
        Console.Error.WriteLine("Run the tests with 'dotnet test'.");
        return 1;
    }
}

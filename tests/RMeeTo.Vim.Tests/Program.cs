using RMeeTo.Vim.Tests.Retraining;
using RMeeTo.Vim.Tests.Retraining.Distributed;

namespace RMeeTo.Vim.Tests;

/// <summary>The test assembly as a process of its own: what a test starts in order to kill it. The test platform does not come here.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is [KilledProcess.Command, var checkpoint, var epoch, var step])
            return KilledProcess.Train(checkpoint, int.Parse(epoch), int.Parse(step));
        if (arguments is [MpiProcess.Command, var job, .. var rest]) return MpiProcess.Run(job, rest);
        Console.Error.WriteLine("Run the tests with 'dotnet test'.");
        return 1;
    }
}

using RMeeTo.Cuda.Tests.StandInCuda;

namespace RMeeTo.Cuda.Tests;

/// <summary>The test assembly as a process of its own: what a test starts beside the stand-in for CUDA. The test platform does not come here.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is [StandInProcess.Command, var scenario]) return StandInProcess.Run(scenario);
        Console.Error.WriteLine("Run the tests with 'dotnet test'.");
        return 1;
    }
}

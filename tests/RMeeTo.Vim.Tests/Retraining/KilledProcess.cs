using System.Diagnostics;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>A run in a process of its own, killed without warning.</summary>
internal static class KilledProcess
{
    public const string Command = "train";

    private const string Reached = "reached";

    /// <summary>The run: random crops, a teacher, validation.</summary>
    public static RetrainResult<VimModel> Run(string? checkpoint, int threads, IProgress<RetrainProgress>? progress = null, IProcessGroup? processes = null)
    {
        var options = TinyTask.Options with { Epochs = 4, BatchSize = 20, TeacherLossWeight = 0.5, MinimumCropArea = 0.3, CheckpointPath = checkpoint, Threads = threads, Progress = progress, Processes = processes };
        return Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), TinyTask.Images(30, seed: 2), options);
    }

    /// <summary>In the child: trains, tells when a step is reached, and goes on.</summary>
    public static int Train(string checkpoint, int epoch, int step)
    {
        Run(checkpoint, threads: 2, new Told<RetrainProgress>(p =>
        {
            if (p.EpochEnded || (p.Epoch, p.Step) != (epoch, step)) return;
            Console.WriteLine(Reached);
            Thread.Sleep(Timeout.Infinite); // so that the kill always finds the process here, in the middle of an epoch
        }));
        return 0;
    }

    /// <summary>In the test: starts a child and kills it once it has reached a step.</summary>
    public static void TrainAndKill(string checkpoint, int epoch, int step)
    {
        // The test host may be a program of the test platform; the runtime's own folder leads to dotnet.
        string dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        var start = new ProcessStartInfo(dotnet, ["exec", typeof(KilledProcess).Assembly.Location, Command, checkpoint, $"{epoch}", $"{step}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync();
            string? line = process.StandardOutput.ReadLine();
            if (line != Reached) Assert.Fail($"The child said '{line}' and: {errors.Result}");
        }
        finally
        {
            process.Kill(); // SIGKILL: no handler, no finally, no flush
            process.WaitForExit();
        }
        Assert.AreNotEqual(0, process.ExitCode);
    }
}

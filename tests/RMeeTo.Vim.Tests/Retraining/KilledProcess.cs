using System.Diagnostics;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>A run in a process of its own, killed without warning. It writes a checkpoint after every step of the optimizer.</summary>
internal static class KilledProcess
{
    public const string Command = "train";

    private const string Reached = "reached";

    /// <summary>
    /// The run: random crops, mixed and repeated images, a teacher, an average of the weights, validation; four batches an epoch, of which two make a step.
    /// </summary>
    public static RetrainResult<VimModel> Run(string? checkpoint, int threads, IProgress<RetrainProgress>? progress = null, IProcessGroup? processes = null)
    {
        var options = RepeatedRuns.FullRecipe with
        {
            Epochs = 4,
            CheckpointPath = checkpoint,
            CheckpointInterval = TimeSpan.Zero,
            Threads = threads,
            PreparedBatches = 1 + threads,
            Progress = progress,
            Processes = processes,
        };
        return RepeatedRuns.Run(TinyTask.Model(4), options);
    }

    /// <summary>In the child: trains, and tells every step. At one step, where there is such, it waits for its end.</summary>
    public static int Train(string checkpoint, int epoch, int step)
    {
        Run(checkpoint, threads: 2, new Told<RetrainProgress>(p =>
        {
            if (p.EpochEnded) return;
            bool waits = (p.Epoch, p.Step) == (epoch, step);
            Console.WriteLine(waits ? Reached : $"{p.Epoch}:{p.Step}");
            if (waits) Thread.Sleep(Timeout.Infinite); // so that the kill always finds the process here, in the middle of an epoch
        }));
        return 0;
    }

    /// <summary>In the test: starts a child and kills it once it has reached a step.</summary>
    public static void TrainAndKill(string checkpoint, int epoch, int step) => Kill(checkpoint, epoch, step, output =>
    {
        string? line;
        do line = output.ReadLine();
        while (line is not (null or Reached));
        return line is not null;
    });

    /// <summary>In the test: starts a child and kills it some time after it has told some steps, wherever it is then.</summary>
    /// <returns>False where the child had ended before.</returns>
    public static bool TrainAndKill(string checkpoint, int steps, TimeSpan later) => Kill(checkpoint, 0, 0, output =>
    {
        for (int i = 0; i < steps; i++)
            if (output.ReadLine() is null) return true;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < later) Thread.SpinWait(20);
        return true;
    });

    private static bool Kill(string checkpoint, int epoch, int step, Func<StreamReader, bool> wait)
    {
        // The test host may be a program of the test platform; the runtime's own folder leads to dotnet.
        string folder = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..");
        string dotnet = Path.GetFullPath(Path.Combine(folder, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        var start = new ProcessStartInfo(dotnet, ["exec", typeof(KilledProcess).Assembly.Location, Command, checkpoint, $"{epoch}", $"{step}"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        bool waited = false;
        try
        {
            waited = wait(process.StandardOutput);
        }
        finally
        {
            process.Kill(); // SIGKILL: no handler, no finally, no flush
            process.WaitForExit();
        }
        Assert.IsTrue(waited && errors.Result.Length == 0, $"The child said: {errors.Result}");
        return process.ExitCode != 0;
    }
}

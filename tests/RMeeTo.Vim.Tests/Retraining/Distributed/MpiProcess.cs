using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>What a process that a test starts under mpirun does.</summary>
internal static class MpiProcess
{
    public const string Command = "mpi";

    public const string Exchange = "exchange", Train = "train", Fail = "fail", Early = "early", Leave = "leave", Wait = "wait", Impatient = "impatient";

    public const string Reached = "reached", Advice = "The advice of the test.";

    /// <summary>Does one of the jobs; the exit code of the process.</summary>
    public static int Run(string job, string[] arguments)
    {
        using var group = MpiGroup.Start(patience: job == Impatient ? TimeSpan.FromSeconds(3) : null);
        Assert.IsTrue(MpiGroup.IsLaunched);
        return job switch
        {
            Exchange => DoExchange(group),
            Train => DoTrain(group, arguments),
            Fail => DoFail(group),
            Early => DoEarly(group),
            Leave => DoLeave(group, int.Parse(arguments[0])),
            Wait => DoWait(group),
            Impatient => DoImpatient(group),
            _ => throw new ArgumentException(job),
        };
    }

    private static int DoExchange(MpiGroup group)
    {
        Assert.ThrowsExactly<InvalidOperationException>(() => MpiGroup.Start());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => group.Send([1], group.Rank));
        CollectionAssert.AreEqual(Enumerable.Range(0, group.Size).ToArray(), group.AllGather(group.Rank));
        Assert.AreEqual("from 0", group.BroadcastText(group.Rank == 0 ? "from 0" : null));
        Task.Run(() => group.AllGather(0)).Wait(); // on another thread, as after an await
        TheRuntimeStillCatchesItsSignals();
        float[] sum = OrderedSumTests.Sum(group, lanes: 7, length: 1_000_003, chunk: 1 << 16);
        Console.WriteLine($"{group.Description}: {Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(sum.AsSpan())))}");
        return 0;
    }

    /// <summary>MPI puts handlers of its own on the signals from which the runtime makes these exceptions.</summary>
    private static void TheRuntimeStillCatchesItsSignals()
    {
        string? nothing = Environment.GetEnvironmentVariable("RMEETO_NO_SUCH_VARIABLE");
        int zero = nothing is null ? 0 : 1;
        Assert.ThrowsExactly<NullReferenceException>(() => nothing!.Length.ToString());
        Assert.ThrowsExactly<DivideByZeroException>(() => (1 / zero).ToString());
        using var child = Process.Start(new ProcessStartInfo("true"))!; // and of SIGCHLD that a child has ended
        child.WaitForExit();
    }

    /// <summary>Trains like <see cref="KilledProcess.Run"/>, and stops for ever in the middle of an epoch where that is asked for.</summary>
    private static int DoTrain(MpiGroup group, string[] arguments)
    {
        Console.WriteLine($"{group.Rank} {Environment.ProcessId}");
        int? epoch = arguments.Length > 1 ? int.Parse(arguments[1]) : null;
        var result = KilledProcess.Run(arguments[0], threads: 1, new Told<RetrainProgress>(p =>
        {
            if (p.EpochEnded || p.Epoch != epoch || p.Step != 2) return;
            Console.WriteLine(Reached);
            Thread.Sleep(Timeout.Infinite); // so that the kill always finds all processes in the middle of an epoch
        }), group);
        Console.WriteLine($"{group.Rank} of {group.Size}: {Hash(result)}");
        return 0;
    }

    /// <summary>All that a run came to.</summary>
    public static string Hash(RetrainResult<VimModel> result)
    {
        double[] ends = [result.StartTop1!.Value, result.BestTop1!.Value, result.BestEpoch];
        double[] curve = [.. ends, .. result.Epochs.SelectMany(e => new[] { e.Loss, e.ValidationTop1!.Value })];
        var values = MemoryMarshal.AsBytes(result.Model.Weights.Values.AsSpan());
        return Convert.ToHexStringLower(SHA256.HashData([.. values, .. MemoryMarshal.AsBytes(curve.AsSpan())]));
    }

    private static int DoFail(MpiGroup group)
    {
        try
        {
            group.Together(() =>
            {
                if (group.Rank == 1) throw new IOException("The disk is full.");
            });
            return 0;
        }
        catch (Exception e)
        {
            Console.WriteLine($"{group.Rank}: {e.Message}");
            return 3;
        }
    }

    /// <summary>Process 1 has an error of its own before it comes to train, handles it, and is done.</summary>
    private static int DoEarly(MpiGroup group)
    {
        if (group.Rank == 1)
        {
            group.Dispose();
            Thread.Sleep(Timeout.Infinite); // so that its end is not what ends the other
        }
        Console.WriteLine(Assert.ThrowsExactly<ProcessGroupException>(() => KilledProcess.Run(null, threads: 1, processes: group)).Message);
        return 0;
    }

    /// <summary>Process 1 ends while the others wait for it.</summary>
    private static int DoLeave(MpiGroup group, int exitCode)
    {
        group.Advice = Advice;
        group.AllGather(0);
        if (group.Rank == 1)
        {
            if (exitCode == 0) group.Abandon();
            Environment.Exit(exitCode);
        }
        group.AllGather(0);
        return 0;
    }

    /// <summary>Waits for ever; the test kills a process.</summary>
    private static int DoWait(MpiGroup group)
    {
        group.Advice = Advice;
        group.AllGather(0); // so that the kill finds both where they wait
        Console.WriteLine($"{group.Rank} {Environment.ProcessId}");
        if (group.Rank == 1) Thread.Sleep(Timeout.Infinite);
        group.AllGather(0);
        return 0;
    }

    /// <summary>Process 1 lives and does not answer.</summary>
    private static int DoImpatient(MpiGroup group)
    {
        group.Advice = Advice;
        group.AllGather(0);
        if (group.Rank == 1) Thread.Sleep(Timeout.Infinite);
        var error = Assert.ThrowsExactly<ProcessGroupException>(() => group.AllGather(0));
        Console.WriteLine(error.Message);
        Assert.ThrowsExactly<ProcessGroupException>(() => group.AllGather(0));
        return 0;
    }
}

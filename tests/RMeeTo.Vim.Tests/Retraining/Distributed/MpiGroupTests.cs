using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>Processes under mpirun; skipped where it is not installed.</summary>
[TestClass]
public sealed class MpiGroupTests
{
    [TestMethod]
    public void ProcessesSumTheirLanesLikeOne()
    {
        byte[] sum = [.. OrderedSumTests.Expected(OrderedSumTests.Lanes(7, 1_000_003)).SelectMany(BitConverter.GetBytes)];
        string hash = Convert.ToHexStringLower(SHA256.HashData(sum));
        foreach (int processes in (int[])[2, 3])
        {
            var result = MpiRun.Run(processes, [MpiProcess.Command, MpiProcess.Exchange]);
            Assert.AreEqual(0, result.ExitCode, result.ToString());
            for (int rank = 0; rank < processes; rank++)
                Assert.ContainsSingle(line => line.StartsWith($"process {rank} of {processes} (") && line.EndsWith(hash), result.Output, result.ToString());
        }
    }

    [TestMethod]
    public void ProcessesTrainTheNetworkOfOne()
    {
        string hash = MpiProcess.Hash(KilledProcess.Run(null, threads: 2));
        using var folder = new TemporaryFolder();
        foreach (int processes in (int[])[2, 3])
            AssertTrained(MpiRun.Run(processes, [MpiProcess.Command, MpiProcess.Train, folder.File($"{processes}")]), processes, hash);
    }

    [TestMethod]
    public void AfterAKillTheRunIsResumedByAnotherNumberOfProcesses()
    {
        string hash = MpiProcess.Hash(KilledProcess.Run(null, threads: 2));
        using var folder = new TemporaryFolder();
        string path = folder.File("checkpoint"), victim = "";
        var killed = MpiRun.Run(2, [MpiProcess.Command, MpiProcess.Train, path, "3"], line =>
        {
            if (line.Split(' ') is ["1", var id]) victim = id;
            if (line == MpiProcess.Reached) Process.GetProcessById(int.Parse(victim)).Kill();
        });
        Assert.AreNotEqual(0, killed.ExitCode, killed.ToString());
        string advice = $"the run resumes from the checkpoint '{path}' of process 0, written after 2 epochs and 10 steps in all.";
        if (MpiRun.WarnsProcesses) StringAssert.Contains(killed.Errors, advice, killed.ToString());
        AssertTrained(MpiRun.Run(3, [MpiProcess.Command, MpiProcess.Train, path]), 3, hash);
        Assert.AreEqual(hash, MpiProcess.Hash(KilledProcess.Run(path, threads: 1)), "the checkpoint of the finished run, opened by one process");
    }

    [TestMethod]
    public void AFailureInOneProcessIsToldInAll()
    {
        var result = MpiRun.Run(3, [MpiProcess.Command, MpiProcess.Fail]);
        Assert.AreNotEqual(0, result.ExitCode, result.ToString());
        Assert.Contains("1: The disk is full.", result.Output, result.ToString());
        foreach (int other in (int[])[0, 2])
            Assert.Contains($"{other}: Process 1 of 3 failed, and all end with it. IOException: The disk is full.", result.Output, result.ToString());
    }

    [TestMethod]
    public void AProcessThatIsDoneTooEarlyIsMissed()
    {
        var result = MpiRun.Run(2, [MpiProcess.Command, MpiProcess.Early]);
        Assert.AreNotEqual(0, result.ExitCode, result.ToString());
        Assert.Contains("Process 1 of 2 has left the others, which cannot go on without it.", result.Output, result.ToString());
    }

    /// <summary>By exit code or, where it leaves as if all were well, by what it says to the group; with others that wait for it.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(5)]
    public void AProcessThatLeavesEndsTheOthers(int exitCode)
    {
        var result = MpiRun.Run(2, [MpiProcess.Command, MpiProcess.Leave, $"{exitCode}"]);
        Assert.AreNotEqual(0, result.ExitCode, result.ToString());
        if (MpiRun.WarnsProcesses) StringAssert.Contains(result.Errors, MpiProcess.Advice, result.ToString());
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    public void AKilledProcessEndsTheOthersWithAdvice(int victim)
    {
        var result = MpiRun.Run(2, [MpiProcess.Command, MpiProcess.Wait], line =>
        {
            if (line.Split(' ') is [var rank, var id] && rank == $"{victim}") Process.GetProcessById(int.Parse(id)).Kill();
        });
        Assert.AreNotEqual(0, result.ExitCode, result.ToString());
        if (!MpiRun.WarnsProcesses) return;
        StringAssert.Contains(result.Errors, $"process {1 - victim} of 2 (", result.ToString());
        StringAssert.Contains(result.Errors, MpiProcess.Advice, result.ToString());
    }

    [TestMethod]
    public void AProcessThatDoesNotAnswerCountsAsLost()
    {
        var result = MpiRun.Run(2, [MpiProcess.Command, MpiProcess.Impatient]);
        Assert.AreNotEqual(0, result.ExitCode, result.ToString());
        string end = $"has waited 00:00:03 for another, which counts as lost. {MpiProcess.Advice}";
        Assert.ContainsSingle(line => line.StartsWith("Process 0 of 2 (") && line.EndsWith(end), result.Output, result.ToString());
    }

    private static void AssertTrained(MpiRun.Result result, int processes, string hash)
    {
        Assert.AreEqual(0, result.ExitCode, result.ToString());
        for (int rank = 0; rank < processes; rank++) Assert.Contains($"{rank} of {processes}: {hash}", result.Output, result.ToString());
    }

    [TestMethod]
    public void WithoutTheLibraryTheErrorSaysWhatToInstall()
    {
        var error = Assert.ThrowsExactly<DllNotFoundException>(() => MpiGroup.Start("no-such-mpi.so"));
        StringAssert.Contains(error.Message, "no-such-mpi.so");
        StringAssert.Contains(error.Message, "Install");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MpiGroup.Start(patience: TimeSpan.Zero));
    }

    [TestMethod]
    public void AnotherLibraryIsRefused()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libm.so.6", out _)) Assert.Inconclusive("Tried with libm.so.6, which is not here.");
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => MpiGroup.Start("libm.so.6")).Message, "no MPI library");
    }
}

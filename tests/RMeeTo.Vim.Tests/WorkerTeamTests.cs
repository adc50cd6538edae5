namespace RMeeTo.Vim.Tests;

[TestClass]
public sealed class WorkerTeamTests
{
    [TestMethod]
    public void EveryItemRunsExactlyOnce()
    {
        for (int workers = 1; workers <= 5; workers++)
        {
            using var team = new WorkerTeam(workers);
            foreach (int items in new[] { 0, 1, 2, 3, 7, 1000 })
            {
                var runs = new int[items];
                int busy = 0;
                team.Run(items, (worker, item) =>
                {
                    Assert.IsTrue(worker >= 0 && worker < workers);
                    Interlocked.Increment(ref busy);
                    Interlocked.Increment(ref runs[item]);
                    Interlocked.Decrement(ref busy);
                });
                Assert.AreEqual(0, busy, "nobody works on after the return");
                Assert.IsTrue(runs.All(count => count == 1), $"{workers} workers, {items} items");
            }
        }
    }

    /// <summary>What belongs to a worker is used by one thread at a time.</summary>
    [TestMethod]
    public void AWorkerIsOneThreadAtATime()
    {
        using var team = new WorkerTeam(4);
        var inside = new int[4];
        for (int run = 0; run < 50; run++)
            team.Run(40, (worker, _) =>
            {
                Assert.AreEqual(1, Interlocked.Increment(ref inside[worker]));
                Thread.SpinWait(50);
                Interlocked.Decrement(ref inside[worker]);
            });
    }

    [TestMethod]
    public void AnExceptionReachesTheCallerAndTheTeamWorksOn()
    {
        foreach (int workers in new[] { 1, 3 })
        {
            using var team = new WorkerTeam(workers);
            for (int attempt = 0; attempt < 20; attempt++)
            {
                int started = 0;
                var e = Assert.ThrowsExactly<FormatException>(() => team.Run(100_000, (_, item) =>
                {
                    Interlocked.Increment(ref started);
                    if (item == 5) Fail();
                }));
                Assert.AreEqual("item 5", e.Message);
                StringAssert.Contains(e.StackTrace, nameof(Fail));
                Assert.IsLessThan(100_000, started, "no more items are claimed");
                int done = 0;
                team.Run(10, (_, _) => Interlocked.Increment(ref done));
                Assert.AreEqual(10, done);
            }
        }

        static void Fail() => throw new FormatException("item 5");
    }

    [TestMethod]
    public void AtLeastOneWorkerAndNoneAfterDispose()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new WorkerTeam(0));
        var team = new WorkerTeam(2);
        team.Dispose();
        team.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => team.Run(1, (_, _) => { }));
        Assert.AreEqual(Environment.ProcessorCount, WorkerTeam.Resolve(0));
        Assert.AreEqual(3, WorkerTeam.Resolve(3));
    }
}

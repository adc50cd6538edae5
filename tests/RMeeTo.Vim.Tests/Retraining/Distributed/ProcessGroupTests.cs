using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>What processes agree on, whatever connects them.</summary>
[TestClass]
public sealed class ProcessGroupTests
{
    [TestMethod]
    public void EveryProcessLearnsWhatTheOthersSay()
    {
        InMemoryGroup.Run(3, group =>
        {
            CollectionAssert.AreEqual((string[])["", "π", "ππ"], group.AllGatherText(string.Concat(Enumerable.Repeat("π", group.Rank))));
            CollectionAssert.AreEqual((double[])[0.5, 1.5, 2.5], group.AllGather(group.Rank + 0.5));
            Assert.AreEqual("from 0", group.BroadcastText(group.Rank == 0 ? "from 0" : null));
            var values = new float[600_000];
            if (group.Rank == 0) values.AsSpan().Fill(7);
            group.Broadcast(values.AsSpan());
            Assert.DoesNotContain(0f, values);
            return 0;
        });
    }

    [TestMethod]
    public void AFailureInOneProcessEndsTheWorkOfAll()
    {
        var errors = InMemoryGroup.Run(3, group => Assert.Throws<Exception>(() => group.Together(() =>
        {
            if (group.Rank == 1) throw new IOException("The disk is full.");
            if (group.Rank == 2) throw new OperationCanceledException();
        })));
        Assert.AreEqual("The disk is full.", ((IOException)errors[1]).Message);
        foreach (int other in (int[])[0, 2])
            Assert.AreEqual("Process 1 of 3 failed, and all end with it. IOException: The disk is full.", ((ProcessGroupException)errors[other]).Message);
    }

    [TestMethod]
    public void ACancellationInOneProcessCancelsAll()
    {
        InMemoryGroup.Run(2, group => Assert.Throws<OperationCanceledException>(() => group.Together(() =>
        {
            if (group.Rank == 1) throw new TaskCanceledException();
        })));
    }

    [TestMethod]
    public void AloneWorkFailsAsItIs()
    {
        Assert.ThrowsExactly<IOException>(() => SingleProcess.Instance.Together(() => throw new IOException()));
        Assert.AreEqual(3, SingleProcess.Instance.Broadcast(3));
        CollectionAssert.AreEqual((int[])[4], SingleProcess.Instance.AllGather(4));
        CollectionAssert.AreEqual((string[])["five"], SingleProcess.Instance.AllGatherText("five"));
        Assert.AreEqual("six", SingleProcess.Instance.BroadcastText("six"));
    }
}

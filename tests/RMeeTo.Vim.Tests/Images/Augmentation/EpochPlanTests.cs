using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class EpochPlanTests
{
    [TestMethod]
    public void WithoutRepetitionEveryImageIsShownOnceInTheOrderOfThePermutation()
    {
        var order = new EpochPlan(1000, 64).Order(5, 2);
        CollectionAssert.AreEqual(CounterRandom.Permutation(1000, 5, 2), Shown(order).Select(shown => shown.Image).ToArray());
        Assert.IsTrue(Shown(order).All(shown => shown.Copy == 0 && shown.Sample(77) == 77));
    }

    [TestMethod]
    public void RepeatedImagesFollowOneAnother()
    {
        var images = CounterRandom.Permutation(1000, 5, 2);
        var order = new EpochPlan(1000, 64, 3).Order(5, 2);
        Assert.AreEqual(768, order.Count);
        CollectionAssert.AreEqual(Enumerable.Range(0, 768).Select(i => new ShownImage(images[i / 3], i % 3)).ToArray(), Shown(order));
        Assert.AreEqual(768, Shown(order).Select(shown => shown.Sample(shown.Image)).Distinct().Count());
    }

    /// <summary>Among them ImageNet-1K with a global batch of 512: 2502 steps (spec 3.1).</summary>
    [TestMethod]
    [DataRow(1281167, 512, 3, RepeatedEpoch.Images, LastBatch.Dropped, 1281024, 2502)]
    [DataRow(1281167, 512, 3, RepeatedEpoch.Images, LastBatch.Kept, 1281024, 2502)]
    [DataRow(255, 64, 3, RepeatedEpoch.Images, LastBatch.Kept, 255, 4)]
    [DataRow(255, 64, 3, RepeatedEpoch.Images, LastBatch.Dropped, 192, 3)]
    [DataRow(256, 64, 3, RepeatedEpoch.Images, LastBatch.Kept, 256, 4)]
    [DataRow(300, 64, 2, RepeatedEpoch.Copies, LastBatch.Kept, 600, 10)]
    [DataRow(300, 64, 1, RepeatedEpoch.Images, LastBatch.Kept, 300, 5)]
    [DataRow(300, 64, 1, RepeatedEpoch.Images, LastBatch.Dropped, 256, 4)]
    [DataRow(50, 64, 1, RepeatedEpoch.Images, LastBatch.Dropped, 50, 1)]
    [DataRow(1, 1, 3, RepeatedEpoch.Images, LastBatch.Kept, 1, 1)]
    public void SizesAreAsStated(int images, int batchSize, int repetitions, RepeatedEpoch length, LastBatch last, int samples, int steps)
    {
        var plan = new EpochPlan(images, batchSize, repetitions, length, last);
        Assert.AreEqual((samples, steps), (plan.Samples, plan.Steps));
        var next = 0;
        for (var step = 0; step < plan.Steps; step++)
        {
            var (first, count) = plan.Batch(step);
            Assert.AreEqual(next, first);
            Assert.IsTrue(count == batchSize || step == steps - 1);
            next += count;
        }

        Assert.AreEqual(samples, next);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => plan.Batch(steps));
    }

    /// <summary>Spec 3.2, update_freq: batches that do not make a whole step are skipped, as the published program skips them.</summary>
    [TestMethod]
    [DataRow(700, LastBatch.Dropped, 600, 6)]
    [DataRow(700, LastBatch.Kept, 700, 7)]
    [DataRow(650, LastBatch.Dropped, 600, 6)]
    [DataRow(600, LastBatch.Dropped, 600, 6)]
    [DataRow(599, LastBatch.Dropped, 300, 3)]
    [DataRow(299, LastBatch.Dropped, 200, 2)]
    [DataRow(99, LastBatch.Dropped, 99, 1)]
    public void StepsOfSeveralBatchesAreWholeWhereTheLastIsDropped(int images, LastBatch last, int samples, int batches)
    {
        var plan = new EpochPlan(images, 100, lastBatch: last, batchesPerStep: 3);
        Assert.AreEqual((samples, batches), (plan.Samples, plan.Steps));
        var largest = new EpochPlan(int.MaxValue, 100, lastBatch: last, batchesPerStep: 1 << 30);
        Assert.AreEqual(last == LastBatch.Dropped ? 2_147_483_600 : int.MaxValue, largest.Samples);
    }

    [TestMethod]
    public void WrongArgumentsAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EpochPlan(0, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EpochPlan(1, 1, batchesPerStep: 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EpochPlan(1, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EpochPlan(1, 1, 0));
        Assert.ThrowsExactly<OverflowException>(() => new EpochPlan(int.MaxValue, 1, 2, RepeatedEpoch.Copies));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EpochPlan(300, 64, 3).Order(0, 0)[256]);
    }

    private static ShownImage[] Shown(EpochOrder order) => [.. Enumerable.Range(0, order.Count).Select(i => order[i])];
}

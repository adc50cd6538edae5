using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class StratifiedSplitTests
{
    [TestMethod]
    public void EveryLabelledImageIsOnOneSideAndEveryClassOnBoth()
    {
        int[] sizes = [1, 2, 3, 10, 200];
        var labels = sizes.SelectMany((size, label) => Enumerable.Repeat(label, size)).Concat([-1, -1]).ToArray();
        CounterRandom.For(1, 0, 0, RandomPurpose.Custom).Shuffle(labels.AsSpan());
        var (train, validation) = StratifiedSplit.Make(labels, 0.2, 7);

        CollectionAssert.AreEqual(Enumerable.Range(0, labels.Length).Where(i => labels[i] >= 0).ToArray(), train.Concat(validation).Order().ToArray());
        CollectionAssert.AreEqual(train.Order().ToArray(), train);
        CollectionAssert.AreEqual(validation.Order().ToArray(), validation);
        CollectionAssert.AreEqual(new[] { 0, 1, 1, 2, 40 }, sizes.Select((_, label) => validation.Count(i => labels[i] == label)).ToArray());
    }

    [TestMethod]
    public void TheSeedDecides()
    {
        var labels = Enumerable.Range(0, 300).Select(i => i % 3).ToArray();
        CollectionAssert.AreEqual(StratifiedSplit.Make(labels, 0.1, 1).Validation, StratifiedSplit.Make(labels, 0.1, 1).Validation);
        CollectionAssert.AreNotEqual(StratifiedSplit.Make(labels, 0.1, 1).Validation, StratifiedSplit.Make(labels, 0.1, 2).Validation);
    }

    [TestMethod]
    public void ExtremeFractions()
    {
        int[] labels = [0, 0, 0, 1, 1];
        Assert.IsEmpty(StratifiedSplit.Make(labels, 0, 1).Validation);
        Assert.HasCount(2, StratifiedSplit.Make(labels, 0.999, 1).Train);
        Assert.HasCount(2, StratifiedSplit.Make(labels, 0.001, 1).Validation);
        Assert.IsEmpty(StratifiedSplit.Make([], 0.5, 1).Train);
        foreach (var fraction in new[] { -0.1, 1, double.NaN })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => StratifiedSplit.Make([0, 0], fraction, 1));
    }
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Merging;

[TestClass]
public sealed class TokenShuffleTests
{
    private static readonly SampleKey s_key = new(Seed: 1, Epoch: 2, Sample: 3);

    [TestMethod]
    [DataRow(0.1)]
    [DataRow(0.3)]
    [DataRow(0.5)]
    [DataRow(0.99)]
    public void ThatManyPatchesChangePlacesAmongThemselves(double rate)
    {
        int most = 0;
        for (int sample = 0; sample < 50; sample++)
        {
            int[] order = Orders(rate, s_key with { Sample = sample })[0];
            CollectionAssert.AreEqual(Enumerable.Range(0, 37).ToArray(), order.Order().ToArray(), "a permutation");
            Assert.AreEqual(18, order[18], "the class token keeps its place");
            int moved = order.Where((row, place) => row != place).Count();
            Assert.IsLessThanOrEqualTo((int)(36 * rate), moved);
            most = Math.Max(most, moved);
        }
        Assert.AreEqual((int)(36 * rate), most, "often all that are drawn move");
    }

    [TestMethod]
    public void EverythingInTheKeyCountsAndNothingElse()
    {
        string Text(SampleKey key) => string.Join(' ', Orders(0.5, key).SelectMany(order => order));
        Assert.AreEqual(Text(s_key), Text(s_key));
        SampleKey[] keys = [s_key, s_key with { Seed = 2 }, s_key with { Epoch = 3 }, s_key with { Sample = 4 }];
        Assert.AreEqual(keys.Length, keys.Select(Text).Distinct().Count());
        int[][] orders = Orders(0.5, s_key);
        CollectionAssert.AreNotEqual(orders[0][..18], orders[1][..18], "every merge has a shuffle of its own");
    }

    /// <summary>The row orders of two merges, the first with a class token in the middle, the second with none.</summary>
    private static int[][] Orders(double rate, SampleKey key)
    {
        var options = new MergeOptions { ShuffleRate = rate };
        using var device = new ReferenceDevice();
        using MergePlan first = device.CreateMergePlan(2, new MergeStep(1, 37, 5, 18, 15), options);
        using MergePlan second = device.CreateMergePlan(2, new MergeStep(3, 32, 5, -1, -1), options);
        new TokenShuffle(options, 37).Apply([null, first, null, second], image: 1, key);
        Assert.IsTrue(Enumerable.Range(0, 37).All(place => first.RowAtPlace(0, place) == place), "the other image is left alone");
        return [.. new[] { first, second }.Select(plan => Enumerable.Range(0, plan.Step.TokensIn).Select(place => plan.RowAtPlace(1, place)).ToArray())];
    }
}

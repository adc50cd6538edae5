using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Merging;

/// <summary>Tokens, class rows and reduction ratios of the paper's schedules (spec 2.5 to 2.7).</summary>
[TestClass]
public sealed class MergeScheduleTests
{
    [TestMethod]
    [DataRow(-1)]
    [DataRow(1001)]
    [DataRow(int.MaxValue)]
    public void ACompareOutOfRangeIsRefused(int compare) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeSchedule.Reference(VimConfig.VimTiny, 5, compare));

    [TestMethod]
    [DataRow(1, 0.0279)]
    [DataRow(2, 0.0558)]
    [DataRow(3, 0.0838)]
    [DataRow(4, 0.1117)]
    [DataRow(5, 0.1396)]
    [DataRow(6, 0.1675)]
    [DataRow(7, 0.1954)]
    [DataRow(8, 0.2234)]
    [DataRow(9, 0.2513)]
    [DataRow(10, 0.2792)]
    [DataRow(11, 0.3071)]
    [DataRow(12, 0.3350)]
    [DataRow(15, 0.4188)]
    [DataRow(20, 0.5398)]
    public void Reduction_ratio(int tokensPerMerge, double expected) =>
        Assert.AreEqual(expected, MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge).ReductionRatio, 5e-5);

    [TestMethod]
    [DataRow(0, 197)]
    [DataRow(5, 142)]
    [DataRow(10, 87)]
    [DataRow(11, 76)]
    [DataRow(15, 32)]
    [DataRow(20, 6)]
    public void Tokens_at_the_end(int tokensPerMerge, int expected) =>
        Assert.AreEqual(expected, MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge).TokensPerBlock[^1]);

    [TestMethod]
    [DataRow(40, 0.1402, 0.1912)]
    [DataRow(88, 0.3085, 0.4207)]
    public void Reduction_ratio_of_clips(int tokensPerMerge, double expected, double expectedOf32Blocks)
    {
        Assert.AreEqual(expected, MergeSchedule.Uniform(VimConfig.VideoMambaTinyVideo, tokensPerMerge).ReductionRatio, 5e-5);
        Assert.AreEqual(expectedOf32Blocks, MergeSchedule.Uniform(VimConfig.VideoMambaMiddleVideo, tokensPerMerge).ReductionRatio, 5e-5);
    }

    [TestMethod]
    [DataRow(5, 0.1523)]
    [DataRow(10, 0.3046)]
    [DataRow(11, 0.3350)]
    [DataRow(15, 0.4569)]
    [DataRow(20, 0.5806)]
    public void Reduction_ratio_of_odd_blocks(int tokensPerMerge, double expected) =>
        Assert.AreEqual(expected, MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge, phase: MergePhase.Odd).ReductionRatio, 5e-5);

    [TestMethod]
    [DataRow(5, 4, 172, 0.0635)]
    [DataRow(5, 6, 182, 0.0381)]
    [DataRow(5, 8, 187, 0.0254)]
    [DataRow(11, 4, 142, 0.1396)]
    [DataRow(11, 6, 164, 0.0838)]
    [DataRow(11, 8, 175, 0.0558)]
    public void Longer_intervals(int tokensPerMerge, int interval, int tokens, double ratio)
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge, interval);
        Assert.AreEqual(tokens, schedule.TokensPerBlock[^1]);
        Assert.AreEqual(ratio, schedule.ReductionRatio, 5e-5);
    }

    [TestMethod]
    [DataRow(0, 2, 99, 0.0415)]
    [DataRow(5, 2, 76, 0.1675)]
    [DataRow(10, 2, 76, 0.2838)]
    [DataRow(11, 2, 76, 0.3071)]
    [DataRow(15, 2, 47, 0.4124)]
    [DataRow(20, 2, 10, 0.5381)]
    [DataRow(5, 4, 89, 0.1337)]
    [DataRow(5, 6, 94, 0.1497)]
    [DataRow(5, 8, 97, 0.1777)]
    [DataRow(11, 4, 77, 0.1946)]
    [DataRow(11, 6, 88, 0.1802)]
    [DataRow(11, 8, 94, 0.1929)]
    public void The_published_code_cuts_at_the_last_merge(int tokensPerMerge, int interval, int tokens, double ratio)
    {
        var schedule = MergeSchedule.Reference(VimConfig.VimTiny, tokensPerMerge, interval: interval);
        Assert.AreEqual(tokens, schedule.TokensPerBlock[^1]);
        Assert.AreEqual(ratio, schedule.ReductionRatio, 5e-5);
    }

    [TestMethod]
    [DataRow(5, "98 95 92 89 86 83 80 77 74 71 68 65")]
    [DataRow(10, "98 93 88 83 78 73 68 63 58 53 48 43")]
    [DataRow(11, "98 92 86 80 74 68 62 56 50 44 39 34")]
    [DataRow(15, "98 90 82 74 66 58 50 42 35 28 21 14")]
    [DataRow(20, "98 88 78 68 58 48 38 28 18 9 4 2")]
    public void Class_rows(int tokensPerMerge, string expected) =>
        Assert.AreEqual(expected, ClassRows(MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge)));

    [TestMethod]
    [DataRow(5, "98 93 88 83 78 73 68 63 59 55 51 47")]
    [DataRow(11, "98 87 76 66 57 48 40 33 26 20 15 11")]
    public void Class_rows_in_odd_even_order(int tokensPerMerge, string expected) =>
        Assert.AreEqual(expected, ClassRows(MergeSchedule.Uniform(VimConfig.VimTiny, tokensPerMerge, merging: new() { Order = MergeOrder.OddEven })));

    [TestMethod]
    public void Class_row_of_the_published_cut() =>
        Assert.AreEqual("98 95 92 89 86 83 80 77 74 71 68 35", ClassRows(MergeSchedule.Reference(VimConfig.VimTiny, 5)));

    [TestMethod]
    public void A_class_token_in_front_stays_in_front()
    {
        var config = VimConfig.VimTiny with { ClassToken = ClassTokenPosition.First };
        foreach (MergeOrder order in Enum.GetValues<MergeOrder>())
            Assert.IsTrue(MergeSchedule.Uniform(config, 8, merging: new() { Order = order }).ClassRowPerBlock.All(row => row == 0));
    }

    [TestMethod]
    public void Tokens_of_five_a_merge()
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimTiny, 5);
        CollectionAssert.AreEqual(Enumerable.Range(0, 24).Select(block => 197 - block / 2 * 5).ToArray(), schedule.TokensPerBlock.ToArray());
        Assert.AreEqual("197 → 142 tokens, 11 merges, reduction ratio 0.14", schedule.ToString());
        Assert.AreEqual("197 → 99 tokens, 1 merge, reduction ratio 0.25", MergeSchedule.Uniform(VimConfig.VimTiny, 196, interval: 12).ToString());
        Assert.AreEqual("at most 1 point of top-1 lost, at most 2.5 points of top-1 lost",
            $"{MergeSchedule.ForAccuracyLoss(0.01)}, {MergeSchedule.ForAccuracyLoss(0.025)}");
        Assert.IsNull(schedule.At(0));
        Assert.IsNull(schedule.At(3));
        Assert.AreEqual(new MergeStep(2, 197, 5, 98, 95), schedule.At(2));
    }

    [TestMethod]
    public void At_most_half_of_the_patch_tokens_go()
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimTiny, 20);
        CollectionAssert.AreEqual(new[] { 197, 177, 157, 137, 117, 97, 77, 57, 37, 19, 10, 6 }, EverySecond(schedule.TokensPerBlock));
        Assert.AreEqual(1, MergeSchedule.Uniform(VimConfig.VimTiny, 196, interval: 1).TokensPerBlock[^1] / 2, "two tokens are left, and no step removes one of them");
    }

    [TestMethod]
    public void Protected_neighbours_lower_the_cap()
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimTiny, 90, merging: new() { ProtectedNeighbours = 10 });
        // 197 tokens: 98 may go, 10 of them are neighbours; 109: 54; 65: 32; 43: 21; 32 tokens: 15 without neighbours, 16 − 10 with; …
        CollectionAssert.AreEqual(new[] { 197, 109, 65, 43, 32, 26, 23, 22, 21, 21, 21, 21 }, EverySecond(schedule.TokensPerBlock));
    }

    [TestMethod]
    public void No_class_row_lies_outside_the_sequence()
    {
        foreach (MergeOrder order in Enum.GetValues<MergeOrder>())
            for (int tokens = 3; tokens <= 40; tokens++)
                for (int removed = 1; removed <= (tokens - 1) / 2; removed++)
                    for (int row = 0; row < tokens; row++)
                    {
                        int after = MergeSchedule.NextClassRow(row, tokens, removed, order);
                        int most = order == MergeOrder.OddEven ? tokens / 2 - removed : tokens - removed - 1;
                        Assert.IsTrue(after >= 0 && after <= most, $"{order}: row {row} of {tokens}, {removed} removed, goes to {after}");
                    }
    }

    [TestMethod]
    public void Class_rows_of_very_many_tokens()
    {
        var config = new VimConfig { ImageHeight = 4096, ImageWidth = 4096 }; // 65,537 tokens
        Assert.AreEqual(32768L * 45537 / 65537, MergeSchedule.Uniform(config, 20_000).At(2)!.ClassRowOut);
        Assert.AreEqual(32768L * 12768 / 32768, MergeSchedule.Uniform(config, 20_000, merging: new() { Order = MergeOrder.OddEven }).At(2)!.ClassRowOut);
        Assert.AreEqual(0, MergeSchedule.Dense(config with { Depth = 40_000, Width = 4 }).ReductionRatio);
    }

    [TestMethod]
    public void Dense_removes_nothing()
    {
        var schedule = MergeSchedule.Dense(VimConfig.VimTiny);
        Assert.IsTrue(schedule.IsDense);
        Assert.AreEqual(0, schedule.ReductionRatio);
        Assert.AreEqual(98, schedule.FinalClassRow);
        Assert.IsTrue(MergeSchedule.Uniform(VimConfig.VimTiny, 0).IsDense);
    }

    [TestMethod]
    public void Wrong_schedules_are_refused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeSchedule.Uniform(VimConfig.VimTiny, -1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeSchedule.Uniform(VimConfig.VimTiny, 5, interval: 0));
        Assert.ThrowsExactly<ArgumentException>(() => MergeSchedule.Custom(VimConfig.VimTiny, new int[23]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { Order = (MergeOrder)2 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { Reduction = (MergeReduction)2 });
        var tooFew = Assert.ThrowsExactly<ArgumentException>(() => MergeSchedule.Uniform(VimConfig.VimTiny, 20, merging: new() { PartnerRank = 21 }));
        StringAssert.Contains(tooFew.Message, "The merge at block 18 has 18 partners for each of its 37 tokens, and MergeOptions.PartnerRank asks for number 21");
        Assert.ThrowsExactly<ArgumentException>(() =>
            MergeSchedule.Uniform(VimConfig.VimTiny, 1, merging: new() { ClassPosition = MergeClassPosition.Exact, Order = MergeOrder.OddEven }));
        var first = new int[24];
        first[0] = 1;
        Assert.ThrowsExactly<ArgumentException>(() => MergeSchedule.Custom(VimConfig.VimTiny, first));
    }

    /// <summary>The class row before the first merge and after each.</summary>
    private static string ClassRows(MergeSchedule schedule) => string.Join(' ', EverySecond(schedule.ClassRowPerBlock));

    private static int[] EverySecond(IReadOnlyList<int> perBlock) => [.. perBlock.Where((_, block) => block % 2 == 0)];
}

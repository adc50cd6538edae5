using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>
/// Matching and merging where the result can be seen by hand: the example of spec 2.11, ties, rows without a direction, and what every merge keeps.
/// </summary>
[TestClass]
public sealed class MatchTests
{
    private static readonly double[][] s_example = [[1, 0], [.8, .6], [0, 1], [9, 9], [.6, .8], [1.2, 1], [-1, 0], [0, 2], [2, 1]];
    private static readonly double[] s_exampleSizes = [1, 2, 1, 1, 1, 3, 1, 1, 2];

    public static IEnumerable<object[]> Names => DevicesUnderTest.Names.Select(name => new object[] { name });

    public static IEnumerable<object[]> Examples
    {
        get
        {
            MergeOptions plain = MergeOptions.Default, oddEven = plain with { Order = MergeOrder.OddEven }, prune = plain with { Reduction = MergeReduction.Prune };
            const string sum = "(1,0.8) (0,1) (9,9) (0.6,0.8) (-1,0) (0,2) (1.5,0.5)", once = "1 1 1 1 1 1 1";
            var rows = new object[][]
            {
                ["cosine", plain, false, 2, sum, "2 1 1 1 1 1 2"],
                ["l1", plain with { Distance = MergeDistance.L1 }, false, 2, sum, "2 1 1 1 1 1 2"],
                ["l2", plain with { Distance = MergeDistance.L2 }, false, 2, sum, "2 1 1 1 1 1 2"],
                ["unordered", oddEven, false, 1, "(0,1) (9,9) (0,2) (1,0.8) (0.6,0.8) (-1,0) (1.5,0.5)", "1 1 1 2 1 1 2"],
                ["prune", prune, false, 2, "(0.8,0.6) (0,1) (9,9) (0.6,0.8) (-1,0) (0,2) (2,1)", once],
                ["mean", plain with { Combination = MergeCombination.Mean }, false, 2, sum, once],
                ["amax", plain with { Combination = MergeCombination.Max }, false, 2, "(1.2,1) (0,1) (9,9) (0.6,0.8) (-1,0) (0,2) (2,1)", once],
                ["amin", plain with { Combination = MergeCombination.Min }, false, 2, "(0.8,0.6) (0,1) (9,9) (0.6,0.8) (-1,0) (0,2) (1,0)", once],
                ["input sizes", plain, true, 2, "(1.04,0.84) (0,1) (9,9) (0.6,0.8) (-1,0) (0,2) (1.667,0.667)", "5 1 1 1 1 1 3"],
                // Both sources have the second odd token as their third partner: (2.8, 1.8) / 3.
                ["3c", plain with { PartnerRank = 3 }, false, 2, "(0.8,0.6) (0,1) (9,9) (0.933,0.6) (-1,0) (0,2) (2,1)", "1 1 1 3 1 1 1"],
                // Rows 0 and 5 go, so one of the three patches before the class token does.
                ["exact class position", plain with { ClassPosition = MergeClassPosition.Exact }, false, 2, sum, "2 1 1 1 1 1 2"],
                // Rows 2 and 5 are within two patches of the class token, so 0 and 7 go, to 8 and 4.
                ["neighbours", plain with { ProtectedNeighbours = 2 }, false, 2, "(0.8,0.6) (0,1) (9,9) (0.3,1.4) (1.2,1) (-1,0) (1.5,0.5)", "1 1 1 2 1 1 2"],
            };
            return from device in DevicesUnderTest.Names from row in rows select (object[])[device, .. row];
        }
    }

    /// <summary>All of spec 2.11.</summary>
    [TestMethod]
    [DynamicData(nameof(Examples))]
    public void Worked_example(string deviceName, string what, MergeOptions options, bool withSizes, int classRow, string tokens, string sizes)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var merge = new MergeOnDevice(device, s_example, classRow: 3, removed: 2, options, withSizes ? s_exampleSizes : null);
        Assert.AreEqual(classRow, merge.Destinations[3], $"{what}: class row");
        Assert.AreEqual(tokens, merge.TokenText, what);
        Assert.AreEqual(sizes, merge.SizeText, what);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Ties_go_to_the_lowest_partner_and_the_lowest_row(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        double[][] equal = [.. Enumerable.Repeat(new[] { .3, -.7, .2 }, 10)];
        var merge = new MergeOnDevice(device, equal, classRow: 5, removed: 3, MergeOptions.Default);
        // Patches without the class row 5: 0 1 2 3 4 6 7 8 9. Even ones 0, 2, 4 (lowest three of 0 2 4 7 9) go into the lowest odd one, 1.
        Assert.AreEqual("0 0 0 1 0 3 2 4 5 6", string.Join(' ', merge.Destinations));
        foreach (double[] row in merge.Tokens) Tolerances.AssertClose("token", row, equal[0], Tolerances.Merge);

        var oddEven = new MergeOnDevice(device, equal, classRow: 5, removed: 3, new() { Order = MergeOrder.OddEven });
        // Unmerged 7 and 9 with the class token between or beside them, then the odd ones 1 3 6 8.
        int cls = oddEven.Step.ClassRowOut;
        int[] order = [.. new[] { 7, 9, 1, 3, 6, 8 }.Take(cls), 5, .. new[] { 7, 9, 1, 3, 6, 8 }.Skip(cls)];
        for (int i = 0; i < order.Length; i++) Assert.AreEqual(i, oddEven.Destinations[order[i]]);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Rows_without_a_direction_are_merged_last(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        // Class row 0. Even patches are rows 1 3 5 7, odd ones 2 4 6 8: row 1 is zero, row 5 no number, row 4 a partner of zeros.
        double[][] tokens = [[1, 1], [0, 0], [1, .2], [-1, -1], [0, 0], [double.NaN, 1], [-1, 0], [.1, 1], [0, 1]];
        var two = new MergeOnDevice(device, tokens, classRow: 0, removed: 2, new() { Reduction = MergeReduction.Prune });
        Assert.AreEqual("0 1 2 -1 3 4 5 -1 6", string.Join(' ', two.Destinations), "rows 3 and 7 have the only similarities");
        var three = new MergeOnDevice(device, tokens, classRow: 0, removed: 3, new() { Reduction = MergeReduction.Prune });
        Assert.AreEqual("0 -1 1 -1 2 3 4 -1 5", string.Join(' ', three.Destinations), "then the lowest of the rest");

        double[][] zeros = [.. Enumerable.Range(0, 7).Select(_ => new double[3])];
        var merge = new MergeOnDevice(device, zeros, classRow: 3, removed: 2, MergeOptions.Default);
        Assert.AreEqual("0 0 0 2 1 3 4", string.Join(' ', merge.Destinations), "the lowest rows 0 and 2 into the lowest partner 1; the class token goes to row 2");
    }

    public static IEnumerable<object[]> Lengths =>
        from device in DevicesUnderTest.Names
        from length in new[] { 3, 4, 5, 8, 17, 36, 37, 98, 197 }
        from order in Enum.GetValues<MergeOrder>()
        select new object[] { device, length, order };

    [TestMethod]
    [DynamicData(nameof(Lengths))]
    public void A_merge_keeps_sizes_sums_and_the_class_token(string deviceName, int length, MergeOrder order)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var random = new Random(length);
        for (int removed = 1; removed <= (length - 1) / 2; removed += 1 + length / 8)
        {
            double[][] tokens = [.. Enumerable.Range(0, length).Select(_ => new[] { Draw(), Draw(), Draw(), Draw(), Draw() })];
            double[] sizes = [.. Enumerable.Range(0, length).Select(_ => (double)random.Next(1, 6))];
            int cls = random.Next(length);
            var merge = new MergeOnDevice(device, tokens, cls, removed, new() { Order = order }, sizes);
            Assert.AreEqual(sizes.Sum(), merge.Sizes.Sum(), 1e-9, "sizes");
            Tolerances.AssertClose("sum of size · token", Total(merge.Tokens, merge.Sizes), Total(tokens, sizes), 1e-5);
            Tolerances.AssertClose("class token", merge.Tokens[merge.Step.ClassRowOut], tokens[cls], 0);
            Assert.AreEqual(merge.Step.TokensOut, merge.Destinations.Distinct().Count(), "every row afterwards comes from somewhere");
        }

        // Values that a float holds exactly, so that the class token must come back bit for bit.
        double Draw() => (float)(2 * random.NextDouble() - 1);
    }

    private static double[] Total(double[][] tokens, double[] sizes) =>
        [.. Enumerable.Range(0, tokens[0].Length).Select(c => tokens.Select((row, i) => row[c] * sizes[i]).Sum())];
}

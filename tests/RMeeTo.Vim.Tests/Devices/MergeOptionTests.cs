using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>What each merge option promises, on every device, and what contradicts itself.</summary>
[TestClass]
public sealed class MergeOptionTests
{
    public static IEnumerable<object[]> Names => DevicesUnderTest.Names.Select(name => new object[] { name });

    /// <summary>Merge after merge: whoever stood before the class token and is still there stands before it, and nobody changes places.</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void The_exact_class_token_stays_between_its_neighbours(string deviceName)
    {
        const int batch = 3, channels = 6, length = 36;
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var options = new MergeOptions { ClassPosition = MergeClassPosition.Exact };
        var random = new Random(1);
        var originals = Enumerable.Range(0, batch).Select(_ => Enumerable.Range(0, length).ToList()).ToArray(); // the token that gives each row its place
        MergePlan? previous = null;
        int classToken = 17, tokens = length;
        var classRows = new HashSet<int>();
        foreach (int removed in new[] { 7, 9, 4 })
        {
            var plan = device.CreateMergePlan(batch, new MergeStep(0, tokens, removed, classToken, 0), options);
            var metric = device.Matrix(batch * tokens, channels, [.. Enumerable.Range(0, batch * tokens * channels).Select(_ => random.NextDouble() - 0.5)]);
            device.Match(batch, new() { Metric = metric, Previous = previous }, plan, device.Matrix(batch * plan.Step.TokensOut, 1));
            for (int image = 0; image < batch; image++)
            {
                var (rows, weights) = (new int[tokens], new float[tokens]);
                plan.Read(image, rows, weights);
                int classRow = originals[image].IndexOf(17);
                Assert.AreEqual(1f, weights[classRow], "the class token stays alone");
                int[] first = [.. Enumerable.Range(0, tokens).Where(row => rows.Count(r => r == rows[row]) == 1 || !IsEven(row, classRow))];
                int[] places = [.. first.Select(row => rows[row])];
                CollectionAssert.AreEqual(Enumerable.Range(0, plan.Step.TokensOut).ToArray(), places, "survivors in their old order");
                originals[image] = [.. first.Select(row => originals[image][row])];
                CollectionAssert.AreEqual(originals[image].Order().ToArray(), originals[image].ToArray());
                classRows.Add(originals[image].IndexOf(17));
            }
            (previous, tokens, classToken) = (plan, plan.Step.TokensOut, 0); // the step's own row is without meaning from the second merge on
        }
        Assert.IsGreaterThan(1, classRows.Count, "images differ");

        // Of the rows that share a destination, all but one have an even place among the patches.
        static bool IsEven(int row, int classRow) => row != classRow && (row < classRow ? row : row - 1) % 2 == 0;
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Neighbours_of_the_class_token_are_never_removed(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var random = new Random(2);
        for (int classRow = 0; classRow < 15; classRow++)
            for (int n = 1; n <= 5; n++)
            {
                double[][] tokens = Draw(random, 15);
                int most = MergeSchedule.Removable(15, classRow, n);
                Assert.AreEqual(7 - n, most);
                var merge = new MergeOnDevice(device, tokens, classRow, most, new() { Reduction = MergeReduction.Prune, ProtectedNeighbours = n });
                for (int row = Math.Max(0, classRow - n); row <= Math.Min(14, classRow + n); row++)
                    Assert.IsGreaterThanOrEqualTo(0, merge.Destinations[row], $"row {row} beside class row {classRow}");
                Assert.AreEqual(most, merge.Destinations.Count(d => d < 0));
            }
    }

    /// <summary>A shuffled merge is the merge of the shuffled rows.</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_shuffled_merge_is_the_merge_of_the_shuffled_rows(string deviceName)
    {
        const int length = 17, classRow = 8, removed = 4;
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var random = new Random(3);
        double[][] tokens = Draw(random, length);
        int[] order = [3, 1, 0, 16, 4, 5, 12, 7, 8, 9, 2, 11, 6, 13, 15, 14, 10];
        var plain = new MergeOnDevice(device, [.. order.Select(row => tokens[row])], classRow, removed, MergeOptions.Default);
        using var plan = device.CreateMergePlan(1, plain.Step, new() { ShuffleRate = 0.5 });
        plan.SetRowOrder(0, order);
        device.Match(1, new() { Metric = device.Matrix(length, 3, [.. tokens.SelectMany(row => row)]) }, plan, device.Matrix(length - removed, 1));
        var rows = new int[length];
        plan.Read(0, rows, new float[length]);
        for (int place = 0; place < length; place++) Assert.AreEqual(plain.Destinations[place], rows[order[place]], $"place {place}");
        Assert.IsFalse(plain.Destinations.SequenceEqual(rows));
    }

    /// <summary>Every merge that adds up keeps the sum of the sizes and of size times token, and the class token as it was (spec 9.6).</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Sums_are_kept_whatever_decides(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var random = new Random(4);
        MergeOptions[] all =
        [
            new() { Distance = MergeDistance.L1 }, new() { Distance = MergeDistance.L2, PartnerRank = 7 }, new() { ClassPosition = MergeClassPosition.Exact },
            new() { ProtectedNeighbours = 4 }, new() { Order = MergeOrder.OddEven, PartnerRank = 2, ProtectedNeighbours = 1 },
        ];
        foreach (var options in all)
            foreach (int length in new[] { 36, 197 })
            {
                double[][] tokens = Draw(random, length);
                double[] sizes = [.. tokens.Select(_ => (double)random.Next(1, 6))];
                int cls = random.Next(length);
                var merge = new MergeOnDevice(device, tokens, cls, length / 3, options, sizes);
                Assert.AreEqual(sizes.Sum(), merge.Sizes.Sum(), 1e-9, $"{options}: sizes");
                for (int c = 0; c < 3; c++)
                    Assert.AreEqual(tokens.Zip(sizes, (t, s) => t[c] * s).Sum(), merge.Tokens.Zip(merge.Sizes, (t, s) => t[c] * s).Sum(), 1e-4, $"{options}: tokens");
                CollectionAssert.AreEqual(tokens[cls], merge.Tokens[merge.Destinations[cls]], $"{options}: class token");
            }
    }

    [TestMethod]
    public void What_cannot_be_done_is_refused_when_it_is_planned()
    {
        using VimDevice device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        var step = new MergeStep(2, 17, 3, 8, 6);
        Refused(new() { PartnerRank = 9 }, step, "8 partners", "number 9");
        Refused(new() { ProtectedNeighbours = 6 }, step, "from 1 to 2 with 6 protected neighbours");
        Refused(new() { ProtectedNeighbours = 1 }, new(2, 17, 3, -1, -1), "knows no class token");
        Refused(new() { ClassPosition = MergeClassPosition.Exact }, new(2, 17, 3, -1, -1), "knows no class token");
        Refused(new(), new(2, 17, 9, 8, 6), "from 1 to 8");
        Refused(new() { ClassPosition = MergeClassPosition.Exact, Order = MergeOrder.OddEven }, step, "original order");
        Refused(new() { ClassPosition = MergeClassPosition.Exact, ShuffleRate = 0.1 }, step, "original order");
        Refused(new(), new(2, 17, 3, -1, 4), "class row -1 of 17");
        device.CreateMergePlan(1, step, new() { PartnerRank = 8, ProtectedNeighbours = 5 }).Dispose();

        using var plan = device.CreateMergePlan(1, new(0, 4, 1, 1, 0), new() { ShuffleRate = 0.5 });
        foreach (int[] order in new int[][] { [0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4], [1, 0, 2, 3] })
            Assert.ThrowsExactly<ArgumentException>(() => plan.SetRowOrder(0, order));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => plan.SetRowOrder(1, [0, 1, 2, 3]));
        using var straight = device.CreateMergePlan(1, new(0, 4, 1, 1, 0), new());
        Assert.ThrowsExactly<InvalidOperationException>(() => straight.SetRowOrder(0, [0, 1, 2, 3]));

        void Refused(MergeOptions options, MergeStep bad, params string[] said)
        {
            string message = Assert.ThrowsExactly<ArgumentException>(() => device.CreateMergePlan(1, bad, options)).Message;
            foreach (string part in said) StringAssert.Contains(message, part);
        }
    }

    /// <summary>Tokens of three channels, values that a float holds exactly.</summary>
    private static double[][] Draw(Random random, int tokens) =>
        [.. Enumerable.Range(0, tokens).Select(_ => new double[] { random.NextSingle() - 0.5f, random.NextSingle() - 0.5f, random.NextSingle() - 0.5f })];

    [TestMethod]
    public void Options_out_of_range_are_refused_where_they_are_set()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { PartnerRank = 0 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { ProtectedNeighbours = -1 });
        foreach (double rate in new[] { -0.1, 1, double.NaN }) Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { ShuffleRate = rate });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { Metric = (MergeMetric)4 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { Distance = (MergeDistance)3 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MergeOptions { Combination = (MergeCombination)4 });
    }
}

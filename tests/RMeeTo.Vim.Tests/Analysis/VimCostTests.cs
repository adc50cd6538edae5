using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Analysis;

/// <summary>The cost formula against every figure of spec 4 that it covers.</summary>
[TestClass]
public class VimCostTests
{
    private static readonly Dictionary<string, VimConfig> Networks = new() { ["Ti"] = VimConfig.VimTiny, ["S"] = VimConfig.VimSmall, ["B"] = VimConfig.VimBase };

    [TestMethod]
    [DataRow(0, 1.4491, 5.0769, 18.8684)]
    [DataRow(1, 1.4508, 5.0195, 18.5104)]
    [DataRow(2, 1.4092, 4.8754, 17.9788)]
    [DataRow(3, 1.3676, 4.7314, 17.4475)]
    [DataRow(4, 1.3261, 4.5875, 16.9164)]
    [DataRow(5, 1.2846, 4.4438, 16.3857)]
    [DataRow(6, 1.2432, 4.3002, 15.8552)]
    [DataRow(7, 1.2019, 4.1568, 15.3251)]
    [DataRow(8, 1.1607, 4.0135, 14.7952)]
    [DataRow(9, 1.1196, 3.8704, 14.2657)]
    [DataRow(10, 1.0785, 3.7274, 13.7364)]
    [DataRow(11, 1.0375, 3.5846, 13.2074)]
    [DataRow(12, 0.9966, 3.4419, 12.6788)]
    [DataRow(15, 0.8742, 3.0147, 11.0945)]
    public void PublishedTable(int tokensPerMerge, double tiny, double small, double large)
    {
        Assert.AreEqual(tiny, Published("Ti", tokensPerMerge), 0.00005);
        Assert.AreEqual(small, Published("S", tokensPerMerge), 0.00005);
        Assert.AreEqual(large, Published("B", tokensPerMerge), 0.00005);
    }

    [TestMethod]
    [DataRow("Ti", 0, 1.4491)]
    [DataRow("Ti", 5, 1.2509)]
    [DataRow("S", 11, 3.5358)]
    [DataRow("B", 11, 13.1099)]
    public void PublishedWithoutMerging(string network, int tokensPerMerge, double expected)
    {
        var cost = Cost(network, tokensPerMerge);
        Assert.AreEqual(expected, cost.Published - cost.Merging, 0.00005);
    }

    [TestMethod]
    [DataRow("Ti", 0, 1.8232)]
    [DataRow("S", 0, 5.9123)]
    [DataRow("B", 0, 20.8878)]
    [DataRow("Ti", 5, 1.6065)]
    [DataRow("S", 11, 4.1635)]
    [DataRow("B", 11, 14.6068)]
    public void Bidirectional(string network, int tokensPerMerge, double expected) => Assert.AreEqual(expected, Cost(network, tokensPerMerge).Bidirectional, 0.00005);

    [TestMethod]
    [DataRow("Ti", 0.6982)]
    [DataRow("S", 2.3992)]
    [DataRow("B", 8.8092)]
    public void MoreThanHalfNeverGoes(string network, double capped) => Assert.AreEqual(capped, Published(network, 20), 0.00005);

    [TestMethod]
    [DataRow("Ti", 5, 4, 1.3769)]
    [DataRow("Ti", 5, 6, 1.4063)]
    [DataRow("Ti", 5, 8, 1.4208)]
    [DataRow("S", 11, 4, 4.4080)]
    [DataRow("S", 11, 6, 4.6779)]
    [DataRow("S", 11, 8, 4.8117)]
    public void OtherIntervals(string network, int tokensPerMerge, int interval, double expected)
    {
        var config = Networks[network];
        Assert.AreEqual(expected, VimCost.Of(config, MergeSchedule.Uniform(config, tokensPerMerge, interval)).Published, 0.00005);
    }

    [TestMethod]
    [DataRow("Ti", 5, 1.2687)]
    [DataRow("S", 11, 3.4457)]
    [DataRow("B", 11, 12.6865)]
    public void OddBlocks(string network, int tokensPerMerge, double expected)
    {
        var config = Networks[network];
        Assert.AreEqual(expected, VimCost.Of(config, MergeSchedule.Uniform(config, tokensPerMerge, phase: MergePhase.Odd)).Published, 0.00005);
    }

    [TestMethod]
    public void WorkedExample() => Assert.AreEqual(1.449113088, VimCost.Of(VimConfig.VimTiny).Published, 1e-12);

    [TestMethod]
    public void ScheduleOfAnotherNetworkIsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => VimCost.Of(VimConfig.VimTiny, MergeSchedule.Dense(VimConfig.VimTiny with { Depth = 12 })));

    private static double Published(string network, int tokensPerMerge) => Cost(network, tokensPerMerge).Published;

    private static VimCost Cost(string network, int tokensPerMerge) => VimCost.Of(Networks[network], MergeSchedule.Uniform(Networks[network], tokensPerMerge));
}

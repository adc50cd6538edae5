using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Analysis;

/// <summary>The true cost; the published tables are <see cref="PublishedCostTests"/>.</summary>
[TestClass]
public class VimCostTests
{
    private static readonly Dictionary<string, VimConfig> Networks = new() { ["Ti"] = VimConfig.VimTiny, ["S"] = VimConfig.VimSmall, ["B"] = VimConfig.VimBase };

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

    /// <summary>Where nothing is capped and something merges, the published figures are the same formula.</summary>
    [TestMethod]
    public void TheFormulaIsThePublishedOneWhereNothingIsPeculiar()
    {
        foreach (var config in Networks.Values)
            foreach (var metric in Enum.GetValues<MergeMetric>())
                foreach (var phase in Enum.GetValues<MergePhase>())
                {
                    var cost = VimCost.Of(config, MergeSchedule.Uniform(config, 7, phase: phase), new() { Metric = metric });
                    var published = PublishedCost.Of(config, 7, phase: phase, metric: metric);
                    Assert.AreEqual(published.Total, cost.Published, 1e-9);
                    Assert.AreEqual(published.WithoutMerging, cost.Published - cost.Merging, 1e-9);
                }
    }

    [TestMethod]
    public void ClipsAndVariantsCostWhatTheirTokensCost()
    {
        var clips = VimConfig.VideoMambaTinyVideo;
        double blocks = 24 * VimCost.Block(clips, 1569, 2), ends = 1569 * 192 * 768 + 400 * 192;
        Assert.AreEqual((blocks + ends) / 1e9, VimCost.Of(clips).Bidirectional, 1e-12);
        Assert.AreEqual(VimCost.Of(clips).Bidirectional, VimCost.Of(clips with { Frames = 16, TubeletSize = 2 }).Bidirectional - 1569.0 * 192 * 768 / 1e9, 1e-9);
        var none = VimConfig.VimTiny with { ClassToken = ClassTokenPosition.None };
        Assert.AreEqual((24 * VimCost.Block(none, 196, 1) + 196 * 192 * 768 + 192000) / 1e9, VimCost.Of(none).Published, 1e-12);
    }

    [TestMethod]
    public void WorkedExample() => Assert.AreEqual(1.449113088, VimCost.Of(VimConfig.VimTiny).Published, 1e-12);

    [TestMethod]
    public void ScheduleOfAnotherNetworkIsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => VimCost.Of(VimConfig.VimTiny, MergeSchedule.Dense(VimConfig.VimTiny with { Depth = 12 })));

    private static double Published(string network, int tokensPerMerge) => Cost(network, tokensPerMerge).Published;

    private static VimCost Cost(string network, int tokensPerMerge) => VimCost.Of(Networks[network], MergeSchedule.Uniform(Networks[network], tokensPerMerge));
}

using System.Text.Json;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Analysis;

/// <summary>The published cost formula against every figure of spec 4 to its last printed decimal, and against the counts that the official code returned.</summary>
[TestClass]
public sealed class PublishedCostTests
{
    private static readonly VimConfig[] Images = [VimConfig.VimTiny, VimConfig.VimSmall, VimConfig.VimBase];
    private static readonly VimConfig[] Clips = [VimConfig.VideoMambaTinyVideo, VimConfig.VideoMambaSmallVideo, VimConfig.VideoMambaMiddleVideo];
    private static readonly string[] Sizes = ["Ti", "S", "B"];

    [TestMethod]
    [DataRow(0, new[] { 1.4926, 5.1638, 19.0423 }, new[] { 1.4491, 5.0769, 18.8684 })]
    [DataRow(1, new[] { 1.4508, 5.0195, 18.5104 }, new[] { 1.4095, 4.9368, 18.3449 })]
    [DataRow(2, new[] { 1.4092, 4.8754, 17.9788 }, new[] { 1.3698, 4.7967, 17.8214 })]
    [DataRow(3, new[] { 1.3676, 4.7314, 17.4475 }, new[] { 1.3302, 4.6566, 17.2979 })]
    [DataRow(4, new[] { 1.3261, 4.5875, 16.9164 }, new[] { 1.2906, 4.5165, 16.7744 })]
    [DataRow(5, new[] { 1.2846, 4.4438, 16.3857 }, new[] { 1.2509, 4.3764, 16.2509 })]
    [DataRow(6, new[] { 1.2432, 4.3002, 15.8552 }, new[] { 1.2113, 4.2363, 15.7274 })]
    [DataRow(7, new[] { 1.2019, 4.1568, 15.3251 }, new[] { 1.1716, 4.0962, 15.2039 })]
    [DataRow(8, new[] { 1.1607, 4.0135, 14.7952 }, new[] { 1.1320, 3.9561, 14.6804 })]
    [DataRow(9, new[] { 1.1196, 3.8704, 14.2657 }, new[] { 1.0924, 3.8160, 14.1569 })]
    [DataRow(10, new[] { 1.0785, 3.7274, 13.7364 }, new[] { 1.0527, 3.6759, 13.6334 })]
    [DataRow(11, new[] { 1.0375, 3.5846, 13.2074 }, new[] { 1.0131, 3.5358, 13.1099 })]
    [DataRow(12, new[] { 0.9966, 3.4419, 12.6788 }, new[] { 0.9735, 3.3957, 12.5864 })]
    [DataRow(15, new[] { 0.8742, 3.0147, 11.0945 }, new[] { 0.8545, 2.9754, 11.0158 })]
    [DataRow(20, new[] { 0.6718, 2.3057, 8.4600 }, new[] { 0.6564, 2.2749, 8.3983 })]
    public void TableOfImages(int tokensPerMerge, double[] totals, double[] withoutMerging)
    {
        for (int i = 0; i < 3; i++)
        {
            var cost = PublishedCost.Of(Images[i], tokensPerMerge);
            Assert.AreEqual((totals[i], withoutMerging[i]), (Math.Round(cost.Total, 4), Math.Round(cost.WithoutMerging, 4)), Sizes[i]);
        }
    }

    [TestMethod]
    [DataRow("Ti", 5, 1.2687)]
    [DataRow("S", 5, 4.3843)]
    [DataRow("S", 10, 3.6017)]
    [DataRow("S", 11, 3.4457)]
    [DataRow("S", 15, 2.8239)]
    [DataRow("S", 20, 2.0510)]
    [DataRow("B", 11, 12.6865)]
    public void OddBlocks(string size, int tokensPerMerge, double expected) =>
        Assert.AreEqual(expected, Math.Round(PublishedCost.Of(Images[Sizes.IndexOf(size)], tokensPerMerge, phase: MergePhase.Odd).Total, 4));

    [TestMethod]
    [DataRow("Ti", 5, 4, 1.3769)]
    [DataRow("Ti", 5, 6, 1.4063)]
    [DataRow("Ti", 5, 8, 1.4208)]
    [DataRow("S", 11, 4, 4.4080)]
    [DataRow("S", 11, 6, 4.6779)]
    [DataRow("S", 11, 8, 4.8117)]
    public void OtherIntervals(string size, int tokensPerMerge, int interval, double expected) =>
        Assert.AreEqual(expected, Math.Round(PublishedCost.Of(Images[Sizes.IndexOf(size)], tokensPerMerge, interval).Total, 4));

    [TestMethod]
    [DataRow("Ti", 5, MergeMetric.B, 1.2537)]
    [DataRow("Ti", 5, MergeMetric.C, 1.2537)]
    [DataRow("Ti", 5, MergeMetric.Delta, 1.3183)]
    [DataRow("S", 11, MergeMetric.B, 3.5378)]
    [DataRow("S", 11, MergeMetric.C, 3.5378)]
    [DataRow("S", 11, MergeMetric.Delta, 3.6333)]
    public void OtherMetrics(string size, int tokensPerMerge, MergeMetric metric, double expected) =>
        Assert.AreEqual(expected, Math.Round(PublishedCost.Of(Images[Sizes.IndexOf(size)], tokensPerMerge, metric: metric).Total, 4));

    [TestMethod]
    public void WorkedExampleAndPlainNetworks()
    {
        Assert.AreEqual(1.449113088, PublishedCost.Of(VimConfig.VimTiny).Total, 1e-12);
        CollectionAssert.AreEqual(new[] { 1.45, 5.08, 18.87 }, Images.Select(c => Math.Round(PublishedCost.Of(c).Total, 2)).ToArray());
        CollectionAssert.AreEqual(new[] { 11.539, 40.430, 115.332 }, Clips.Select(c => Math.Round(PublishedCost.Of(c).Total, 3)).ToArray());
    }

    [TestMethod]
    [DataRow(8, 13.711, 44.287, 120.921)]
    [DataRow(16, 13.268, 42.914, 115.832)]
    [DataRow(24, 12.829, 41.551, 110.779)]
    [DataRow(32, 12.396, 40.197, 105.765)]
    [DataRow(40, 11.967, 38.853, 100.787)]
    [DataRow(48, 11.543, 37.518, 95.847)]
    [DataRow(56, 11.123, 36.193, 90.944)]
    [DataRow(64, 10.709, 34.877, 86.079)]
    [DataRow(72, 10.299, 33.570, 81.251)]
    [DataRow(80, 9.894, 32.273, 76.461)]
    [DataRow(88, 9.493, 30.986, 71.708)]
    public void TableOfClips(int tokensPerMerge, double tiny, double small, double middle) =>
        CollectionAssert.AreEqual(new[] { tiny, small, middle }, Clips.Select(c => Math.Round(PublishedCost.Of(c, tokensPerMerge).Total, 3)).ToArray());

    [TestMethod]
    public void PartsOfTheClipsCost()
    {
        Assert.AreEqual(14.16, Math.Round(PublishedCost.Of(Clips[0], 0).Total, 2));
        var costs = Clips.Select(c => PublishedCost.Of(c, 88)).ToList();
        CollectionAssert.AreEqual(new[] { 8.051, 28.101, 67.110 }, costs.Select(c => Math.Round(c.WithoutMerging, 3)).ToArray());
        CollectionAssert.AreEqual(new[] { 1.442, 2.885, 4.598 }, costs.Select(c => Math.Round(c.Total - c.WithoutMerging, 3)).ToArray());
    }

    [TestMethod]
    [TestCategory("Golden")]
    public void CountsOfTheOfficialFactories()
    {
        GoldenData.Require();
        int compared = 0;
        foreach (var model in GoldenData.Index("real_models.json").EnumerateObject().Where(m => !m.Name.StartsWith("deit", StringComparison.Ordinal)))
        {
            var keys = model.Value.GetProperty("keys").EnumerateArray().Select(k => new CheckpointTensor(k[0].GetString()!, CheckpointDataType.Float32, [.. k[1].EnumerateArray().Select(e => e.GetInt64())]));
            var config = RealModels.Config(model.Name, [.. keys]);
            foreach (var (property, phase) in new[] { ("official_flops_by_num_prune", MergePhase.Even), ("official_flops_by_num_prune_if_merge_odd", MergePhase.Odd) })
            {
                if (!model.Value.TryGetProperty(property, out var counts)) continue;
                foreach (var count in counts.EnumerateObject())
                {
                    AssertCount(count.Value, PublishedCost.Of(config, int.Parse(count.Name), phase: phase), $"{model.Name} r={count.Name} {phase}");
                    compared++;
                }
            }
        }
        Assert.IsGreaterThan(0, compared);
    }

    /// <summary>Every recorded network, with every interval, phase and metric that was recorded.</summary>
    [TestMethod]
    [TestCategory("Golden")]
    public void CountsOfTheRecordedNetworks()
    {
        GoldenData.Require();
        int compared = 0;
        foreach (var (golden, _) in GoldenNets.Cases("models_index.json"))
        {
            if (!golden.Settings.GetProperty("info").TryGetProperty("flops", out _)) continue;
            var merge = golden.Settings.GetProperty("merge");
            int Number(string name, int otherwise) => merge.TryGetProperty(name, out var value) ? value.GetInt32() : otherwise;
            // The counter of VideoMamba for images takes no notice of the odd phase.
            bool odd = golden.NetSettings.GetProperty("kind").GetString() == "vim" && merge.TryGetProperty("if_merge_odd", out var flag) && flag.GetBoolean();
            var metric = (merge.TryGetProperty("metric", out var name) ? name.GetString() : "X") switch { "B" => MergeMetric.B, "C" => MergeMetric.C, "delta" => MergeMetric.Delta, _ => MergeMetric.HiddenState };
            var cost = PublishedCost.Of(GoldenNets.Config(golden), Number("num_prune", 5), Number("merge_interval", 2), odd ? MergePhase.Odd : MergePhase.Even, metric);
            AssertCount(golden.Settings.GetProperty("info"), cost, golden.ToString());
            compared++;
        }
        Assert.IsGreaterThan(0, compared);
    }

    private static void AssertCount(JsonElement recorded, PublishedCost cost, string what)
    {
        Assert.AreEqual(recorded.GetProperty("flops").GetDouble(), cost.Total * 1e9, 0.5, what);
        Assert.AreEqual(recorded.GetProperty("layer_flops").GetDouble(), cost.WithoutMerging * 1e9, 0.5, what);
    }
}

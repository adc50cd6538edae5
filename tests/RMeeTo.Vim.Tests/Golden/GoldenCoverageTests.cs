using RMeeTo.Vim.Tests.Deit;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Nothing that is recorded goes untested for being of a kind that no test looks for.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenCoverageTests
{
    private static readonly string[] s_operators = ["selective_scan", "causal_conv1d", "norm", "mixer"];

    // Differences between two ways in which the official code computes a mixer; there is nothing of ours in it.
    private static readonly string[] s_notes = ["mixer_function_vs_plain_autograd"];

    [TestMethod]
    public void EveryNetworkCaseIsRunButTheRecordedBug()
    {
        GoldenData.Require();
        string[] recorded = [.. from net in GoldenData.Index("models_index.json").EnumerateObject() from item in net.Value.GetProperty("cases").EnumerateObject() select $"{net.Name}_{item.Name}"];
        var known = GoldenNets.Cases("models_index.json").ToList();
        string[] run = [.. known.Where(item => item.Unsupported is null).Select(item => item.Case.ToString()), .. DeitGoldenNets.Cases("models_index.json").Select(c => c.ToString())];
        foreach (string missing in recorded.Except(run))
            Assert.IsTrue(known.Single(item => item.Case.ToString() == missing).Case.Settings.GetProperty("merge").GetProperty("if_visualize").GetBoolean(), $"{missing} is recorded, and no test runs it");
        CollectionAssert.AllItemsAreUnique(run);
    }

    [TestMethod]
    public void OtherListsOfNetworksNameNothingElse()
    {
        GoldenData.Require();
        var all = GoldenData.Index("models_index.json");
        foreach (string path in Directory.GetFiles(GoldenData.Folder!, "models_index*.json"))
            foreach (var net in GoldenData.Index(Path.GetFileName(path)).EnumerateObject())
                foreach (var item in net.Value.GetProperty("cases").EnumerateObject())
                    Assert.IsTrue(all.TryGetProperty(net.Name, out var known) && known.GetProperty("cases").TryGetProperty(item.Name, out _), $"{Path.GetFileName(path)}: {net.Name}_{item.Name} is not in models_index.json");
    }

    [TestMethod]
    public void EveryGroupOfOperatorsAndMergesHasItsTests()
    {
        GoldenData.Require();
        CollectionAssert.AreEquivalent(s_operators, GoldenData.Index("ops_index.json").EnumerateObject().Select(group => group.Name).Except(s_notes).ToArray());
        CollectionAssert.AreEquivalent(new[] { "merge", "merge_vit" }, GoldenData.Index("merge_index.json").EnumerateObject().Select(group => group.Name).ToArray());
    }
}

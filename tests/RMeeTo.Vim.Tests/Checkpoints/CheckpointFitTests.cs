using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints;

[TestClass]
public sealed class CheckpointFitTests
{
    private static readonly VimConfig Config = SmallNets.Config;

    [TestMethod]
    public void HeadRowsGoByName()
    {
        var weights = Filled();
        using var source = SmallNets.Source(weights);
        var fitted = VimCheckpoint.LoadFitted(source, Config with { Classes = 4 }, ["dog", "owl", "cat", "emu"], ["cat", "dog", "fox"], seed: 5);
        AssertRow(weights, 1, fitted.Weights, 0);
        AssertRow(weights, 0, fitted.Weights, 2);
        CollectionAssert.AreEqual(new[] { "dog", "cat" }, fitted.Report.KeptClasses.ToArray());
        CollectionAssert.AreEqual(new[] { "owl", "emu" }, fitted.Report.NewClasses.ToArray());
        Assert.IsTrue(fitted.Report.HeadReplaced);
        Assert.IsFalse(fitted.Report.PositionsResized);
        float[] owl = fitted.Weights["head.weight"].Slice(8, 8).ToArray();
        Assert.IsTrue(owl.All(v => v != 0 && Math.Abs(v) < 0.1));
        Assert.AreEqual(0f, fitted.Weights["head.bias"][1]);
        StringAssert.Contains(fitted.Report.ToString(), "Head replaced: 3 classes before, 4 now; 2 classes kept by name, 2 new.");
        StringAssert.Contains(fitted.Report.ToString(), "Classes new: owl, emu.");
        AssertRest(weights, fitted.Weights);

        var again = VimCheckpoint.LoadFitted(source, Config with { Classes = 4 }, ["dog", "owl", "cat", "emu"], ["cat", "dog", "fox"], seed: 5);
        SmallNets.AssertSame(fitted.Weights, again.Weights);
        var other = VimCheckpoint.LoadFitted(source, Config with { Classes = 4 }, ["dog", "owl", "cat", "emu"], ["cat", "dog", "fox"], seed: 6);
        Assert.AreNotEqual(owl[0], other.Weights["head.weight"][8]);
    }

    [TestMethod]
    [DataRow(PatchInflation.Center)]
    [DataRow(PatchInflation.Average)]
    public void ImageWeightsBecomeWeightsForClips(PatchInflation inflation)
    {
        var image = VimInitializer.Create(Config with { ClassToken = ClassTokenPosition.First, AverageDirections = false }, 4);
        using var source = SmallNets.Source(image);
        var clips = SmallNets.Clips with { Frames = 9, TubeletSize = 3, Classes = 5, ImageWidth = 24 };
        var fitted = VimCheckpoint.LoadFitted(source, clips, ["a", "b", "c", "d", "e"], inflation: inflation);
        Assert.AreEqual(clips, fitted.Weights.Config);
        Assert.IsTrue(fitted.Report is { Inflated: true, PositionsResized: true, HeadReplaced: true }, fitted.Report.ToString());
        float[] from = image["patch_embed.proj.weight"].ToArray(), to = fitted.Weights["patch_embed.proj.weight"].ToArray();
        for (int i = 0; i < to.Length; i++)
        {
            int tap = i / 16 % 3; // [8, 3, 3, 4, 4]
            float kernel = from[i / 48 * 16 + i % 16];
            Assert.AreEqual(inflation == PatchInflation.Average ? kernel / 3 : tap == 1 ? kernel : 0, to[i], $"{i}");
        }
        Assert.IsTrue(fitted.Weights["temporal_pos_embedding"].IndexOfAnyExcept(0f) < 0);
        Assert.IsTrue(image["pos_embed"][..8].SequenceEqual(fitted.Weights["pos_embed"][..8]), "class row");
        Assert.IsTrue(image["layers.1.mixer.x_proj_b.weight"].SequenceEqual(fitted.Weights["layers.1.mixer.x_proj_b.weight"]));
        StringAssert.Contains(fitted.Report.ToString(), "clips of 9 frames");
    }

    [TestMethod]
    public void OtherFramesResizeThePlacesInTimeAndClipsAreNoImages()
    {
        var weights = VimInitializer.Create(SmallNets.Clips, 4);
        weights["temporal_pos_embedding"].Fill(2);
        using var source = SmallNets.Source(weights);
        var fitted = VimCheckpoint.LoadFitted(source, SmallNets.Clips with { Frames = 10 });
        Assert.IsTrue(fitted.Report.PositionsResized);
        Assert.AreEqual(5 * 8, fitted.Weights["temporal_pos_embedding"].ToArray().Count(v => v == 2f));
        StringAssert.Contains(fitted.Report.ToString(), "3 before, 5 now");
        string message = Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.Load(source, SmallNets.Clips with { Frames = 10 })).Message;
        StringAssert.Contains(message, "6 frames instead of 10; VimCheckpoint.LoadFitted adapts it.");
        message = Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.LoadFitted(source, Config)).Message;
        StringAssert.Contains(message, "in clips");
        using var images = SmallNets.Source(Filled());
        message = Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.Load(images, SmallNets.Clips)).Message;
        StringAssert.Contains(message, "The file is for images instead of clips; VimCheckpoint.LoadFitted inflates it.");
    }

    [TestMethod]
    public void EqualCountsStillGoByName()
    {
        var weights = Filled();
        using var source = SmallNets.Source(weights);
        var fitted = VimCheckpoint.LoadFitted(source, Config, ["fox", "cat", "dog"], ["cat", "dog", "fox"]);
        for (int i = 0; i < 3; i++) AssertRow(weights, (i + 2) % 3, fitted.Weights, i);
        Assert.IsEmpty(fitted.Report.NewClasses);
    }

    [TestMethod]
    public void WithoutNamesAnEqualCountKeepsTheHeadAndAnotherReplacesIt()
    {
        var weights = Filled();
        using var source = SmallNets.Source(weights);
        var kept = VimCheckpoint.LoadFitted(source, Config, ["a", "b", "c"]);
        SmallNets.AssertSame(weights, kept.Weights);
        StringAssert.Contains(kept.Report.ToString(), "its rows go by index");
        StringAssert.Contains(kept.Report.ToString(), $"{weights.Parameters.All.Count} tensors, {weights.Parameters.Count:N0} values loaded from small.safetensors.");
        var replaced = VimCheckpoint.LoadFitted(source, Config with { Classes = 2 }, ["a", "b"]);
        Assert.IsTrue(replaced.Report.HeadReplaced);
        Assert.IsEmpty(replaced.Report.KeptClasses);
        AssertRest(weights, replaced.Weights);
    }

    [TestMethod]
    public void AModelFileBringsItsClassNames()
    {
        var weights = Filled();
        var stream = new MemoryStream();
        new VimModel(weights, ["cat", "dog", "fox"]).Save(stream);
        stream.Position = 0;
        using var source = new SafetensorsReader(stream);
        var fitted = VimCheckpoint.LoadFitted(source, Config with { Classes = 1 }, ["fox"]);
        AssertRow(weights, 2, fitted.Weights, 0);
    }

    [TestMethod]
    public void PositionsAreResizedAndAllElseIsKept()
    {
        var weights = Filled();
        using var source = SmallNets.Source(weights);
        var config = Config with { ImageHeight = 24, ImageWidth = 36 };
        var fitted = VimCheckpoint.LoadFitted(source, config);
        Assert.AreEqual(config, fitted.Weights.Config);
        Assert.IsTrue(fitted.Report.PositionsResized);
        StringAssert.Contains(fitted.Report.ToString(), "4×4 patches before, 6×9 now");
        Assert.IsTrue(weights["pos_embed"].Slice(8 * 8, 8).SequenceEqual(fitted.Weights["pos_embed"].Slice(27 * 8, 8)), "class row");
        foreach (var p in weights.Parameters.All)
            if (p.Name != "pos_embed") Assert.IsTrue(weights[p].SequenceEqual(fitted.Weights[p.Name]), p.Name);
    }

    [TestMethod]
    public void AnotherPatchSizeCannotBeFitted()
    {
        using var source = SmallNets.Source(Filled());
        var e = Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.LoadFitted(source, Config with { PatchSize = 8, Stride = 8 }));
        StringAssert.Contains(e.Message, "patch_embed.proj.weight: expected (8, 3, 8, 8), found (8, 3, 4, 4)");
    }

    [TestMethod]
    public void WrongNameListsAreTheCallersFault()
    {
        using var source = SmallNets.Source(Filled());
        Assert.ThrowsExactly<ArgumentException>(() => VimCheckpoint.LoadFitted(source, Config, ["a", "b"]));
        Assert.ThrowsExactly<ArgumentException>(() => VimCheckpoint.LoadFitted(source, Config, ["a", "b", "a"]));
        Assert.ThrowsExactly<ArgumentException>(() => VimCheckpoint.LoadFitted(source, Config, ["a", "b", "\uD800"]));
        Assert.ThrowsExactly<ArgumentException>(() => VimCheckpoint.LoadFitted(source, Config, ["a", "b", "c"], ["a"]));
    }

    private static VimWeights Filled()
    {
        var weights = VimInitializer.Create(Config, 1);
        weights["head.bias"][0] = 1;
        weights["head.bias"][1] = 2;
        weights["head.bias"][2] = 3;
        return weights;
    }

    private static void AssertRow(VimWeights from, int fromRow, VimWeights to, int toRow)
    {
        Assert.IsTrue(from["head.weight"].Slice(8 * fromRow, 8).SequenceEqual(to["head.weight"].Slice(8 * toRow, 8)));
        Assert.AreEqual(from["head.bias"][fromRow], to["head.bias"][toRow]);
    }

    private static void AssertRest(VimWeights expected, VimWeights actual)
    {
        foreach (var p in expected.Parameters.All)
            if (!p.Name.StartsWith("head.", StringComparison.Ordinal)) Assert.IsTrue(expected[p].SequenceEqual(actual[p.Name]), p.Name);
    }
}

using System.Text.Json;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Which parameters decay and how fast they learn: one Vision Mamba, one for videos, one DeiT.</summary>
[TestClass]
public sealed class ParameterGroupTests
{
    private static readonly RetrainOptions s_paper = new() { WeightDecay = 0.05 };
    private static readonly RetrainOptions s_video = new() { WeightDecay = 0.1, WeightDecayRule = WeightDecayRule.MatricesOnly };

    public static IEnumerable<object[]> Layouts =>
    [
        ["Vim", new VimParameters(VimConfig.VimTiny)],
        ["video", new VimParameters(VimConfig.VideoMambaTiny with { Frames = 8, Classes = 400 })],
        ["DeiT", new DeitParameters(DeitConfig.DeitTiny)],
    ];

    [TestMethod]
    [DynamicData(nameof(Layouts))]
    public void GroupsCoverTheBufferAndOneRuleIsOneGroup(string name, ParameterLayout layout)
    {
        Assert.AreEqual(new ParameterGroup(0, layout.BufferLength, 1, 0.05), ParameterGroup.Of(layout, s_paper).Single(), name);
        var groups = ParameterGroup.Of(layout, s_video with { LayerDecay = new(0.75) });
        long next = 0;
        foreach (var group in groups)
        {
            Assert.AreEqual(next, group.Offset, name);
            next += group.Count;
        }
        Assert.AreEqual(layout.BufferLength, next, name);
        for (int i = 1; i < groups.Count; i++)
            Assert.AreNotEqual(groups[i] with { Offset = 0, Count = 0 }, groups[i - 1] with { Offset = 0, Count = 0 }, "neighbours differ");
    }

    /// <summary>The rule of the official code over the recorded names and shapes of the official networks, with their own lists of what never decays.</summary>
    [TestMethod]
    [TestCategory("Golden")]
    public void MatricesOnlyIsTheOfficialRule()
    {
        GoldenData.Require("real_models.json");
        foreach (var (factory, config) in new (string, object)[]
        {
            ("vim_tiny", VimConfig.VimTiny),
            ("video_videomamba_tiny", VimConfig.VideoMambaTiny with { Frames = 8, Classes = 400 }),
            ("deit_tiny", DeitConfig.DeitTiny),
        })
        {
            ParameterLayout layout = config is VimConfig vim ? new VimParameters(vim) : new DeitParameters((DeitConfig)config);
            var listed = GoldenData.Index("real_models.json").GetProperty(factory).GetProperty("no_weight_decay");
            var skip = listed.EnumerateArray().Select(e => e.GetString()!).ToHashSet();
            int decayed = 0;
            foreach (var parameter in layout.All)
            {
                bool expected = parameter.Shape.Count > 1 && !parameter.Name.EndsWith(".bias", StringComparison.Ordinal) && !skip.Contains(parameter.Name);
                Assert.AreEqual(expected ? 0.1 : 0, GroupOf(layout, s_video, parameter).WeightDecay, $"{factory}, {parameter.Name}");
                if (expected) decayed++;
            }
            Assert.IsGreaterThan(0, decayed, factory);
        }
        ParameterLayout tiny = new VimParameters(VimConfig.VimTiny);
        Assert.AreEqual(0.1, GroupOf(tiny, s_video, tiny.Find("layers.7.mixer.A_log")!).WeightDecay, "a matrix: decayed");
        Assert.AreEqual(0, GroupOf(tiny, s_video, tiny.Find("layers.7.mixer.D")!).WeightDecay);
    }

    /// <summary>Spec 3.2: only patch embedding and tables learn at 0.75^25 (Middle: 0.75^33) of the rate, for the names of the blocks are not known.</summary>
    [TestMethod]
    [DataRow(24, 192)]
    [DataRow(32, 576)]
    public void ThePapersVideoRuleDoesNotKnowTheBlocks(int depth, int width)
    {
        var layout = new VimParameters(VimConfig.VideoMambaTiny with { Frames = 8, Depth = depth, Width = width });
        var options = s_video with { LayerDecay = new(0.75) { Rule = LayerDecayRule.Reference } };
        foreach (var parameter in layout.All)
        {
            bool slow = parameter.Name is "cls_token" or "pos_embed" or "patch_embed.proj.weight" or "patch_embed.proj.bias";
            Assert.AreEqual(slow ? Math.Pow(0.75, depth + 1) : 1, GroupOf(layout, options, parameter).LearningRateFactor, 1e-18, parameter.Name);
        }
    }

    [TestMethod]
    [DataRow(LayerDecayRule.ByDepth)]
    [DataRow(LayerDecayRule.Reference)]
    public void ATransformersBlocksAreKnownToBothRules(LayerDecayRule rule)
    {
        var layout = new DeitParameters(DeitConfig.DeitTiny);
        var options = s_video with { LayerDecay = new(0.5) { Rule = rule } };
        Check("cls_token", 13);
        Check("pos_embed", 13);
        Check("patch_embed.proj.weight", 13);
        Check("blocks.0.norm1.weight", 12);
        Check("blocks.11.mlp.fc2.bias", 1);
        Check("norm.weight", 0);
        Check("head.weight", 0);

        void Check(string name, int power) => Assert.AreEqual(Math.Pow(0.5, power), GroupOf(layout, options, layout.Find(name)!).LearningRateFactor, name);
    }

    [TestMethod]
    public void ByDepthEveryLayerOfAVisionMambaHasItsRate()
    {
        var layout = new VimParameters(VimConfig.VideoMambaTiny with { Frames = 8 });
        var options = s_paper with { LayerDecay = new(0.75) };
        Check("temporal_pos_embedding", 25);
        Check("cls_token", 25);
        Check("layers.0.mixer.A_log", 24);
        Check("layers.23.norm.weight", 1);
        Check("norm_f.weight", 0);
        Check("head.bias", 0);

        void Check(string name, int power) =>
            Assert.AreEqual(Math.Pow(0.75, power), GroupOf(layout, options, layout.Find(name)!).LearningRateFactor, 1e-18, name);
    }

    [TestMethod]
    public void AFactorOutOfRangeIsNamed()
    {
        foreach (double factor in new[] { 0, -1, 1.1, double.NaN })
            Refused(() => new LayerDecay(factor), "it must be above 0 and at most 1");
        Refused(() => new RetrainOptions { WeightDecayRule = (WeightDecayRule)7 }, "EveryParameter, MatricesOnly");
        Refused(() => GradientAccumulation.Over(0), "it must be from 1 to 65536");
        Refused(() => new ModelEma { Decay = 1 }, "it must be at least 0 and below 1");

        static void Refused(Func<object> make, string message) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => make()).Message, message);
    }

    private static ParameterGroup GroupOf(ParameterLayout layout, RetrainOptions options, VimParameter parameter) =>
        ParameterGroup.Of(layout, options).Single(group => group.Offset <= parameter.Offset && parameter.Offset < group.Offset + group.Count);
}

using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests;

/// <summary>What a configuration derives, and what it refuses.</summary>
[TestClass]
public sealed class VimConfigTests
{
    [TestMethod]
    [DataRow("tiny", 384, 12, 44, 7_148_008L)]
    [DataRow("small", 768, 24, 56, 25_796_584L)]
    [DataRow("base", 1536, 48, 80, 97_598_440L)]
    public void Presets_have_the_published_sizes(string preset, int innerWidth, int rank, int projectionWidth, long parameters)
    {
        VimConfig config = preset switch { "tiny" => VimConfig.VimTiny, "small" => VimConfig.VimSmall, _ => VimConfig.VimBase };
        Assert.AreEqual((197, 98, 24), (config.Tokens, config.ClassRow, config.Depth));
        Assert.AreEqual((innerWidth, rank, projectionWidth), (config.InnerWidth, config.TimeStepRank, config.ProjectionWidth));
        var all = new VimParameters(config);
        Assert.AreEqual(parameters, all.Count);
        Assert.HasCount(415, all.All);
    }

    [TestMethod]
    public void Patches_of_a_rectangle_with_overlap()
    {
        var config = new VimConfig { ImageHeight = 40, ImageWidth = 57, PatchSize = 16, Stride = 8 }.Validate();
        Assert.AreEqual((4, 6, 25, 12), (config.GridHeight, config.GridWidth, config.Tokens, config.ClassRow));
        Assert.AreEqual(0, (config with { ClassToken = ClassTokenPosition.First }).ClassRow);
    }

    [TestMethod]
    public void A_value_out_of_range_is_refused_where_it_is_set()
    {
        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { Depth = 0 }).Message;
        StringAssert.Contains(message, "VimConfig.Depth is 0");
        StringAssert.Contains(message, "from 1 to");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { StateSize = 65 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { ConvolutionWidth = 5 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { TimeStepRank = 0 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { ClassToken = (ClassTokenPosition)4 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { Norm = (NormKind)(-1) });
        foreach (float epsilon in new[] { 0, -1e-5f, float.NaN, float.PositiveInfinity })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new VimConfig { NormEpsilon = epsilon });
    }

    public static IEnumerable<object[]> TooLarge =>
    [
        ["smaller than a patch", new VimConfig { ImageHeight = 15 }],
        ["more than an array holds", new VimConfig { ImageHeight = 1 << 15, ImageWidth = 1 << 15, PatchSize = 1 << 10, Stride = 1 << 10 }],
        ["65537 tokens", new VimConfig { ImageHeight = 256, ImageWidth = 256, PatchSize = 1, Stride = 1, Width = 1 << 12 }],
        ["tokens of inner width", new VimConfig { ImageHeight = 1 << 14, ImageWidth = 1 << 14, PatchSize = 1, Stride = 1 }],
        ["inner width 4294967296", new VimConfig { Width = 1 << 16, Expansion = 1 << 16 }], // the product is 0 in 32 bits
        ["inner width 1099511627776", new VimConfig { Width = 1 << 20, Expansion = 1 << 20 }],
        ["197 tokens of inner width 384", new VimConfig { ImageHeight = 13 * 200 + 8192, ImageWidth = 13 * 200 + 8192, PatchSize = 8192, Stride = 200 }], // 38 GB of patches
        ["weights", VimConfig.VimBase with { Depth = 2000 }],
        ["weights", VimConfig.VimTiny with { Width = 1 << 14, ImageHeight = 32, ImageWidth = 32 }],
    ];

    /// <summary>None may wrap round into something that looks small.</summary>
    [TestMethod]
    [DynamicData(nameof(TooLarge))]
    public void Sizes_that_do_not_fit_are_refused_before_anything_is_allocated(string reason, VimConfig config)
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(config.Validate).Message, reason);
        Assert.ThrowsExactly<ArgumentException>(() => new VimParameters(config));
    }

    [TestMethod]
    public void Large_networks_that_fit_are_accepted()
    {
        foreach (VimConfig config in new[] { VimConfig.VimBase with { Depth = 400 }, new VimConfig { ImageHeight = 4096, ImageWidth = 4096 }, new VimConfig { ImageHeight = 8192, ImageWidth = 8192, PatchSize = 64, Stride = 64 } })
            Assert.IsLessThanOrEqualTo(Array.MaxLength, new VimParameters(config).BufferLength);
    }

    [TestMethod]
    public void EqualityCountsEverySizeAndOnlyThose()
    {
        Assert.AreEqual(VimConfig.VimTiny, VimConfig.VimTiny with { TimeStepRank = 12 });
        Assert.AreEqual(VimConfig.VimTiny.GetHashCode(), (VimConfig.VimTiny with { TimeStepRank = 12 }).GetHashCode());
        foreach (var property in typeof(VimConfig).GetProperties().Where(p => p.SetMethod is not null))
        {
            var other = VimConfig.VimTiny with { };
            object value = property.GetValue(other)!;
            property.SetValue(other, value switch
            {
                int number => number == 4 ? 3 : number + 1,
                bool flag => !flag,
                float real => real * 2,
                _ => Enum.GetValues(property.PropertyType).GetValue(1)!,
            });
            Assert.AreNotEqual(VimConfig.VimTiny, other, property.Name);
        }
    }
}

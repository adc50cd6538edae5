using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Distributions as in spec 1.1, by bounds and by moments over many values.</summary>
[TestClass]
public sealed class VimInitializerTests
{
    private static readonly VimConfig Config = new() { Width = 64, Depth = 4, Classes = 300, ImageHeight = 112, ImageWidth = 112, Norm = NormKind.Layer, LayerScale = true };
    private static readonly VimWeights Weights = VimInitializer.Create(Config, 11, layerScale: 0.5f);

    [TestMethod]
    public void TheSeedDecidesEveryValue()
    {
        var again = VimInitializer.Create(Config, 11, layerScale: 0.5f);
        CollectionAssert.AreEqual(Weights.Values, again.Values);
        var other = VimInitializer.Create(Config, 12, layerScale: 0.5f);
        Assert.AreNotEqual(Weights["cls_token"][0], other["cls_token"][0]);
        Assert.AreNotEqual(Weights["layers.0.mixer.in_proj.weight"][0], Weights["layers.1.mixer.in_proj.weight"][0], "blocks differ");
    }

    [TestMethod]
    [DataRow("pos_embed", 0.02)]
    [DataRow("head.weight", 0.02)]
    [DataRow("patch_embed.proj.weight", 0.04102300617)] // 1 / (0.87962566 √768)
    public void IsNormal(string name, double deviation)
    {
        var (mean, found, largest) = Moments(name);
        Assert.AreEqual(0, mean, 0.1 * deviation);
        Assert.AreEqual(deviation, found, 0.05 * deviation);
        Assert.IsGreaterThan(2.5 * deviation, largest, "not cut off");
    }

    [TestMethod]
    [DataRow("in_proj.weight", 64, 1)]
    [DataRow("conv1d.weight", 4, 1)]
    [DataRow("conv1d.bias", 4, 1)]
    [DataRow("conv1d_b.weight", 4, 1)]
    [DataRow("conv1d_b.bias", 4, 1)]
    [DataRow("x_proj.weight", 128, 1)]
    [DataRow("x_proj_b.weight", 128, 1)]
    [DataRow("dt_proj.weight", 4, 1)]
    [DataRow("dt_proj_b.weight", 4, 1)]
    [DataRow("out_proj.weight", 128, 4)]
    public void IsUniform(string name, int fanIn, int depth)
    {
        double bound = 1 / Math.Sqrt(fanIn) / Math.Sqrt(depth);
        var (mean, deviation, largest) = Moments("layers.2.mixer." + name);
        Assert.AreEqual(0, mean, 0.15 * bound);
        Assert.AreEqual(bound / Math.Sqrt(3), deviation, 0.15 * bound);
        Assert.IsTrue(largest <= bound * 1.000001 && largest > 0.95 * bound, $"{largest} of {bound}");
    }

    [TestMethod]
    public void TimeStepsAreLogUniformForwardsOnly()
    {
        double[] logs = [.. Weights["layers.1.mixer.dt_proj.bias"].ToArray().Select(b => Math.Log(Math.Log(1 + Math.Exp(b))))];
        Assert.IsGreaterThan(Math.Log(0.000999), logs.Min());
        Assert.IsLessThan(Math.Log(0.1001), logs.Max());
        Assert.AreEqual((Math.Log(0.001) + Math.Log(0.1)) / 2, logs.Average(), 0.4);
        AssertAll("layers.1.mixer.dt_proj_b.bias", 0);
    }

    [TestMethod]
    public void ConstantsAreAsInTheOfficialCode()
    {
        foreach (string name in (string[])["layers.0.mixer.A_log", "layers.3.mixer.A_b_log"])
        {
            var values = Weights[name];
            for (int i = 0; i < values.Length; i++) Assert.AreEqual((float)Math.Log(i % 16 + 1), values[i]);
        }
        foreach (string name in (string[])["layers.0.mixer.D", "layers.0.mixer.D_b", "layers.0.norm.weight", "norm_f.weight"]) AssertAll(name, 1);
        foreach (string name in (string[])["head.bias", "patch_embed.proj.bias", "layers.0.norm.bias", "norm_f.bias"]) AssertAll(name, 0);
        AssertAll("layers.3.mixer.gamma", 0.5f);
    }

    /// <summary>Spec 1.3: all linear layers normal with σ = 0.02 and bias 0, Δ included; class token and places in time 0.</summary>
    [TestMethod]
    public void VideoMambaDrawsOtherwise()
    {
        var config = Config with { ClassToken = ClassTokenPosition.First, AverageDirections = false, Frames = 4, TubeletSize = 2, ProjectionBias = true };
        var weights = VimInitializer.Create(config, 11, layerScale: 0.5f);
        foreach (string name in (string[])["pos_embed", "head.weight", "layers.2.mixer.in_proj.weight", "layers.2.mixer.x_proj.weight", "layers.2.mixer.x_proj_b.weight", "layers.2.mixer.dt_proj.weight", "layers.2.mixer.dt_proj_b.weight"])
        {
            var (mean, deviation, _) = Moments(name, weights);
            Assert.AreEqual(0, mean, 0.004, name);
            Assert.AreEqual(0.02, deviation, 0.0025, name);
        }
        double bound = 1 / Math.Sqrt(3 * 2 * 16 * 16);
        foreach (string name in (string[])["patch_embed.proj.weight", "patch_embed.proj.bias"])
        {
            double largest = Moments(name, weights).Largest;
            Assert.IsTrue(largest <= bound * 1.000001 && largest > 0.9 * bound, $"{name}: {largest} of {bound}");
        }
        double output = Moments("layers.2.mixer.out_proj.weight", weights).Largest, expected = 1 / Math.Sqrt(128) / 2;
        Assert.IsTrue(output <= expected * 1.000001 && output > 0.95 * expected, $"{output} of {expected}");
        foreach (string name in (string[])["cls_token", "temporal_pos_embedding", "head.bias", "layers.1.mixer.dt_proj.bias", "layers.1.mixer.dt_proj_b.bias", "layers.1.mixer.in_proj.bias", "layers.1.mixer.out_proj.bias"])
            AssertAll(name, 0, weights);
        AssertAll("layers.0.mixer.D_b", 1, weights);
        Assert.AreEqual((float)Math.Log(3), weights["layers.0.mixer.A_b_log"][2]);

        var asVim = VimInitializer.Create(config, 11, family: InitialisationFamily.Vim);
        Assert.AreNotEqual(0f, asVim["cls_token"][0]);
        Assert.AreNotEqual(0f, asVim["layers.1.mixer.dt_proj.bias"][0]);
    }

    private static void AssertAll(string name, float expected, VimWeights? weights = null)
    {
        foreach (float value in (weights ?? Weights)[name]) Assert.AreEqual(expected, value, name);
    }

    private static (double Mean, double Deviation, double Largest) Moments(string name, VimWeights? weights = null)
    {
        double[] values = [.. (weights ?? Weights)[name].ToArray().Select(v => (double)v)];
        double mean = values.Average();
        return (mean, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), values.Max(Math.Abs));
    }
}

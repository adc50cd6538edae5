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

    private static void AssertAll(string name, float expected)
    {
        foreach (float value in Weights[name]) Assert.AreEqual(expected, value, name);
    }

    private static (double Mean, double Deviation, double Largest) Moments(string name)
    {
        double[] values = [.. Weights[name].ToArray().Select(v => (double)v)];
        double mean = values.Average();
        return (mean, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), values.Max(Math.Abs));
    }
}

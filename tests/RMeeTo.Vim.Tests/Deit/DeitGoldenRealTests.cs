using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Tests.Checkpoints;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>
/// Transformers of the published sizes: outputs at 224 pixels with weights from a generator that the recording shares, and the official names and shapes.
/// </summary>
[TestClass]
[TestCategory("Golden")]
public sealed class DeitGoldenRealTests
{
    private const string Kind = "deit";

    public static IEnumerable<object[]> Cases => GoldenData.Rows(() =>
          from model in GoldenData.Index("real_index.json").GetProperty("models").EnumerateObject()
          where model.Name.StartsWith(Kind, StringComparison.Ordinal)
          from item in model.Value.GetProperty("cases").EnumerateObject()
          from device in DevicesUnderTest.Names
          where device.StartsWith("CPU", StringComparison.Ordinal) // scalar double takes minutes, and holds the small nets
          select new object[] { $"{model.Name}/{item.Name}", device }, DevicesUnderTest.Names[0]);

    public static IEnumerable<object[]> Factories => GoldenData.Rows(() =>
        GoldenData.Index("real_models.json").EnumerateObject().Where(model => model.Name.StartsWith(Kind, StringComparison.Ordinal)).Select(model => new object[] { model.Name }));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void NetworkAgreesWithTheOfficialCode(string name, string deviceName)
    {
        GoldenData.Require(name);
        var (model, caseName) = (name.Split('/')[0], name.Split('/')[1]);
        var index = GoldenData.Index("real_index.json");
        var entry = index.GetProperty("models").GetProperty(model);
        var settings = entry.GetProperty("cases").GetProperty(caseName);
        var config = Infer(model, entry.GetProperty("parameters"));
        var (schedule, options) = DeitGoldenNets.Merging(config, settings);
        if (settings.GetProperty("merge").EnumerateObject().Any()) config = config with { NormEpsilon = DeitConfig.ForkNormEpsilon }; // of the official class that merges
        var weights = new DeitWeights(config);
        GoldenRealSizeTests.Fill(weights, index, model);
        var images = GoldenData.File($"real_{model}_images.safetensors");
        int batch = images["images"].Shape[0];
        var recorded = GoldenData.File($"real_{model}.safetensors");
        using var device = DevicesUnderTest.Create(deviceName);
        using var run = new DeitRun(device, weights, schedule, options, batch, forTraining: false);

        var classTokens = new double[batch * config.Depth * config.Width];
        var means = new double[config.Depth];
        run.Forward(images.Floats("images"), (block, tokens, _) =>
        {
            int imageValues = tokens.Length / batch;
            for (int b = 0; b < batch; b++) Array.Copy(tokens, b * imageValues, classTokens, (b * config.Depth + block) * config.Width, config.Width);
            means[block] = tokens.Average(Math.Abs);
        });
        string group = $"{deviceName}, real deit";
        GoldenReport.AssertClose(group, "logits", run.Logits, recorded[$"{caseName}.logits"].Values, 2e-5);
        GoldenReport.AssertClose(group, "class tokens", classTokens, recorded[$"{caseName}.cls_hidden"].Values, 2e-5);
        GoldenReport.AssertClose(group, "mean of the tokens", means, recorded[$"{caseName}.hidden_abs_mean"].Values, 2e-5);
        run.CheckDecisions(recorded, $"{caseName}.");
    }

    /// <summary>Names, shapes and totals; the network is inferred from them and is the preset of that name.</summary>
    [TestMethod]
    [DynamicData(nameof(Factories))]
    public void TheOfficialFactoriesHaveTheseParameters(string factory)
    {
        GoldenData.Require(factory);
        var model = GoldenData.Index("real_models.json").GetProperty(factory);
        var config = Infer(factory, model.GetProperty("keys"));
        var parameters = new DeitParameters(config);
        string[] official = [.. model.GetProperty("keys").EnumerateArray().Select(k => $"{k[0].GetString()} ({string.Join(", ", k[1].EnumerateArray().Select(e => e.GetInt32()))})")];
        CollectionAssert.AreEqual(official, parameters.All.Select(p => $"{p.Name} {p.ShapeText}").ToArray());
        Assert.AreEqual(model.GetProperty("parameters").GetInt64(), parameters.Count);
        var preset = factory switch { "deit_tiny" => DeitConfig.DeitTiny, "deit_small" => DeitConfig.DeitSmall, "deit_base" => DeitConfig.DeitBase, _ => null };
        if (preset is not null) Assert.AreEqual(preset, config);
    }

    private static DeitConfig Infer(string name, System.Text.Json.JsonElement parameters) => DeitCheckpoint.InferConfig(new SmallNets.ShapesOnly(name,
        parameters.EnumerateArray().Select(p => new CheckpointTensor(p[0].GetString()!, CheckpointDataType.Float32, [.. p[1].EnumerateArray().Select(e => e.GetInt64())]))));
}

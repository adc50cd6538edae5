using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>State dicts of the official program: names, shapes and values.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenCheckpointTests
{
    [TestMethod]
    public void EveryRecordedStateDictLoadsByItsConfiguration()
    {
        GoldenData.Require();
        foreach (var (golden, file) in WeightFiles())
        {
            using var source = SafetensorsReader.Open(Path.Combine(GoldenData.Folder!, file));
            var config = GoldenNets.Config(golden);
            var weights = VimCheckpoint.Load(source, config);
            foreach (var p in weights.Parameters.All)
                Assert.IsTrue(weights[p].ToArray().Select(v => (double)v).SequenceEqual(GoldenData.File(file)[p.Name].Values), $"{file} {p.Name}");
            CollectionAssert.AreEqual(weights.Parameters.All.Select(p => p.Name).ToArray(), source.Tensors.Select(t => t.Name).ToArray(), $"{file}: order");
            // The position table tells only how many patches there are: those of a square image that is cut without overlap and without a rest.
            if ((config.ImageHeight, config.ImageWidth, config.Stride) != (config.GridWidth * config.PatchSize, config.GridWidth * config.PatchSize, config.PatchSize)) continue;
            // What no file tells: whether directions are averaged and what is pooled without a class token.
            var inferred = VimCheckpoint.InferConfig(source, config.ClassToken) with { AverageDirections = config.AverageDirections, Pooling = config.Pooling };
            Assert.AreEqual(config, inferred, file);
        }
    }

    [TestMethod]
    public void NetworksOfAnotherKindAreRefused()
    {
        GoldenData.Require();
        var files = from net in GoldenData.Index("models_index.json").EnumerateObject() where net.Value.GetProperty("kind").GetString() == "deit"
                    from item in net.Value.GetProperty("cases").EnumerateObject() select item.Value.GetProperty("weights_file").GetString()!;
        foreach (string file in files.Distinct())
        {
            using var source = SafetensorsReader.Open(Path.Combine(GoldenData.Folder!, file));
            Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.InferConfig(source), file);
        }
    }

    public static IEnumerable<object[]> Factories => GoldenData.Rows(() =>
        GoldenData.Index("real_models.json").EnumerateObject().Where(model => !model.Name.StartsWith("deit", StringComparison.Ordinal)).Select(model => new object[] { model.Name }));

    /// <summary>Names, shapes and totals; the network is inferred from them, and is the preset of that name unless the official factory builds another.</summary>
    [TestMethod]
    [DynamicData(nameof(Factories))]
    public void TheOfficialFactoriesHaveTheseParameters(string factory)
    {
        GoldenData.Require(factory);
        var model = GoldenData.Index("real_models.json").GetProperty(factory);
        var keys = model.GetProperty("keys").EnumerateArray().Select(k => new CheckpointTensor(k[0].GetString()!, CheckpointDataType.Float32, [.. k[1].EnumerateArray().Select(e => e.GetInt64())])).ToList();
        var config = RealModels.Config(factory, keys);
        var parameters = new VimParameters(config);
        CollectionAssert.AreEqual(keys.Select(k => $"{k.Name} {k.ShapeText}").ToArray(), parameters.All.Select(p => $"{p.Name} {p.ShapeText}").ToArray());
        Assert.AreEqual(model.GetProperty("parameters").GetInt64(), parameters.Count);
        if (RealModels.Preset(factory) is { } preset && preset.Depth == config.Depth) Assert.AreEqual(preset, config);
    }

    private static IEnumerable<(GoldenCase Case, string File)> WeightFiles() =>
        GoldenNets.Cases("models_index.json").Select(item => (item.Case, File: item.Case.Settings.GetProperty("weights_file").GetString()!)).DistinctBy(item => item.File);
}

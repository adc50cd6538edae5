using System.Reflection;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Checkpoints;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Deit;

[TestClass]
public sealed class DeitModelTests
{
    /// <summary>Nothing at its default.</summary>
    private static readonly DeitConfig s_config = new()
    {
        ImageHeight = 20,
        ImageWidth = 30,
        PatchSize = 5,
        Width = 12,
        Depth = 2,
        Heads = 4,
        MlpRatio = 3,
        Classes = 3,
        NormEpsilon = 1.1e-5f,
    };

    private static readonly DeitMergeOptions s_merging = new()
    {
        Metric = DeitMetric.Values,
        Distance = MergeDistance.L1,
        Reduction = MergeReduction.Prune,
        Order = MergeOrder.OddEven,
    };

    private static readonly EvaluationPreprocessing s_preprocessing = new()
    {
        ImageHeight = 20,
        ImageWidth = 30,
        CropRatio = 0.9,
        Normalization = new(new(0.1f, 0.2f, 0.3f), new(0.7f, 0.8f, 0.9f)),
    };

    private static readonly string[] s_names = ["Katze", "犬", "a \"quoted\", \\ name\n"];

    private static DeitModel Model() =>
        new(DeitInitializer.Create(s_config, 3), s_names, DeitMergeSchedule.Custom(s_config, [3, 0]), s_merging, s_preprocessing);

    [TestMethod]
    public void NothingInTheseExamplesIsAtItsDefault()
    {
        // A property that is added later must be added to the examples, and so to the file.
        Check(new DeitConfig(), s_config);
        Check(new DeitMergeOptions(), s_merging);

        static void Check<T>(T defaults, T example)
        {
            foreach (var property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is { IsPublic: true }))
                Assert.AreNotEqual(property.GetValue(defaults), property.GetValue(example), property.Name);
        }
    }

    [TestMethod]
    public void AModelIsWhatWasSaved()
    {
        var model = Model();
        var loaded = DeitModel.Load(new MemoryStream(Bytes(model)));
        Assert.AreEqual(s_config, loaded.Config);
        Assert.AreEqual(s_merging, loaded.Merging);
        Assert.AreEqual(s_preprocessing, loaded.Preprocessing);
        CollectionAssert.AreEqual(s_names, loaded.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { 3, 0 }, loaded.Schedule.RemovedPerBlock.ToArray());
        TinyTask.AssertSameWeights(model, loaded, "weights");
    }

    [TestMethod]
    public void AFileOfAnotherKindIsNamed()
    {
        var vim = new MemoryStream();
        TinyTask.Model().Save(vim);
        Assert.Contains("VimModel.Load", Assert.ThrowsExactly<CheckpointMismatchException>(() => DeitModel.Load(new MemoryStream(vim.ToArray()))).Message);
        Assert.Contains("DeitModel.Load", Assert.ThrowsExactly<CheckpointMismatchException>(() => VimModel.Load(new MemoryStream(Bytes(Model())))).Message);
        var plain = new MemoryStream();
        DeitCheckpoint.Save(plain, Model().Weights);
        var notOurs = Assert.ThrowsExactly<CheckpointMismatchException>(() => DeitModel.Load(new MemoryStream(plain.ToArray())));
        Assert.Contains("DeitCheckpoint.Load", notOurs.Message);
    }

    [TestMethod]
    public void DamagedFilesAreRefused()
    {
        byte[] sound = Bytes(Model());
        foreach (int position in Enumerable.Range(8, sound.Length - 8).Where(i => i % 97 == 0))
        {
            byte[] damaged = [.. sound];
            damaged[position] ^= 0x10;
            try
            {
                var loaded = DeitModel.Load(new MemoryStream(damaged));
                // Only class names, preprocessing and schedule can change without contradicting anything.
                TinyTask.AssertSameWeights(Model(), loaded, $"byte {position}");
            }
            catch (Exception e) when (e is CheckpointFormatException or CheckpointMismatchException)
            {
            }
        }
    }

    [TestMethod]
    [DataRow("\"width\":12", "\"width\":1048572")]
    [DataRow("\"depth\":2", "\"depth\":1048576")]
    [DataRow("\"classes\":3", "\"classes\":1000000")]
    [DataRow("\"heads\":4", "\"heads\":5")]
    [DataRow("\"imageHeight\":20,\"imageWidth\":30,\"patchSize\"", "\"imageHeight\":1048576,\"imageWidth\":1048576,\"patchSize\"")]
    [DataRow("\"removedPerBlock\":[3,0]", "\"removedPerBlock\":[3]")]
    [DataRow("\"metric\":\"Values\"", "\"metric\":\"Nothing\"")]
    [DataRow("rmeeto.deit.format\":\"1\"", "rmeeto.deit.format\":\"2\"")]
    public void ClaimsThatTheTensorsDoNotBearOutAreRefused(string written, string claimed)
    {
        var metadata = DeitModelMetadata.Write(Model());
        string key = metadata.Keys.FirstOrDefault(k => metadata[k].Contains(written, StringComparison.Ordinal)) ?? DeitModelMetadata.FormatKey;
        metadata[key] = key == DeitModelMetadata.FormatKey ? "2" : metadata[key].Replace(written, claimed, StringComparison.Ordinal);
        var stream = new MemoryStream();
        DeitCheckpoint.Save(stream, Model().Weights, metadata);
        Assert.ThrowsExactly<CheckpointFormatException>(() => DeitModel.Load(new MemoryStream(stream.ToArray())));
    }

    [TestMethod]
    public void AnotherHeadKeepsTheClassesThatItKnows()
    {
        var model = Model();
        var other = model.WithHead(["犬", "new"], seed: 5, out var report);
        var (from, to) = (model.Weights.Parameters.Head.Weight, other.Weights.Parameters.Head.Weight);
        Assert.IsTrue(model.Weights[from].Slice(12, 12).SequenceEqual(other.Weights[to][..12]), "the row of a known class");
        Assert.AreEqual("new", report.NewClasses.Single());
        Assert.IsTrue(model.Weights["blocks.1.mlp.fc2.weight"].SequenceEqual(other.Weights["blocks.1.mlp.fc2.weight"]), "all else");
        Assert.AreEqual(0.02, Math.Sqrt(other.Weights[to][12..].ToArray().Average(v => v * v)), 0.015, "the row of a new class");
    }

    [TestMethod]
    public void AnotherImageSizeKeepsTheClassTokensPosition()
    {
        var model = Model();
        var larger = model.WithImageSize(40, 30);
        Assert.AreEqual(1 + 8 * 6, larger.Config.Tokens);
        Assert.IsTrue(model.Weights["pos_embed"][..12].SequenceEqual(larger.Weights["pos_embed"][..12]));
        var constant = Model();
        constant.Weights["pos_embed"].Fill(0.25f);
        foreach (float value in constant.WithImageSize(55, 15).Weights["pos_embed"]) Assert.AreEqual(0.25f, value, 1e-6f);
    }

    [TestMethod]
    public void TheConfigurationFollowsFromTheShapes()
    {
        var other = DeitConfig.DeitTiny with { Classes = 7, Depth = 3, MlpRatio = 2, ImageHeight = 96, ImageWidth = 96, PatchSize = 8 };
        foreach (var config in new[] { DeitConfig.DeitTiny, DeitConfig.DeitSmall, DeitConfig.DeitBase, other })
            Assert.AreEqual(config, DeitCheckpoint.InferConfig(Shapes(config)));
        Assert.AreEqual(5_717_416, new DeitParameters(DeitConfig.DeitTiny).Count);
        Assert.AreEqual(22_050_664, new DeitParameters(DeitConfig.DeitSmall).Count);
        Assert.AreEqual(86_567_656, new DeitParameters(DeitConfig.DeitBase).Count);
    }

    [TestMethod]
    public void CheckpointsThatDoNotFitAreExplained()
    {
        var tiny = Shapes(DeitConfig.DeitTiny);
        Assert.Contains("width 192", Message(() => DeitCheckpoint.Load(tiny, DeitConfig.DeitSmall)));
        Assert.Contains("WithHead", Message(() => DeitCheckpoint.Load(tiny, DeitConfig.DeitTiny with { Classes = 10 })));
        Assert.Contains("Vision Mamba", Message(() => DeitCheckpoint.InferConfig(new SmallNets.ShapesOnly(VimConfig.VimTiny))));
        var distilled = new SmallNets.ShapesOnly("d.pth", [.. tiny.Tensors, new("dist_token", CheckpointDataType.Float32, [1, 1, 192])]);
        Assert.Contains("distilled", Message(() => DeitCheckpoint.Load(distilled, DeitConfig.DeitTiny)));
        var huge = tiny.Change(t => t.Name == "head.weight" ? new(t.Name, t.DataType, [1L << 40, 192]) : t);
        Assert.Contains("not supported", Message(() => DeitCheckpoint.InferConfig(huge)));
        Assert.Contains("missing", Message(() => DeitCheckpoint.Load(tiny.Change(t => t.Name == "blocks.3.attn.qkv.bias" ? null : t), DeitConfig.DeitTiny)));

        static string Message(Action action) => Assert.ThrowsExactly<CheckpointMismatchException>(action).Message;
    }

    [TestMethod]
    public void OfficialStateDictsLoad()
    {
        GoldenData.Require();
        foreach (string file in DeitGoldenNets.Cases("models_index.json").Select(c => c.Settings.GetProperty("weights_file").GetString()!).Distinct())
        {
            var golden = DeitGoldenNets.Cases("models_index.json").First(c => c.Settings.GetProperty("weights_file").GetString() == file);
            var config = DeitGoldenNets.Config(golden);
            using var source = SafetensorsReader.Open(Path.Combine(GoldenData.Folder!, file));
            var weights = DeitCheckpoint.Load(source, config);
            foreach (var p in weights.Parameters.All)
                Assert.IsTrue(weights[p].ToArray().Select(v => (double)v).SequenceEqual(GoldenData.File(file)[p.Name].Values), $"{file} {p.Name}");
            CollectionAssert.AreEqual(weights.Parameters.All.Select(p => p.Name).ToArray(), source.Tensors.Select(t => t.Name).ToArray(), $"{file}: order");
            if (config.ImageHeight == config.ImageWidth && config.ImageWidth == config.GridWidth * config.PatchSize)
                Assert.AreEqual(config, DeitCheckpoint.InferConfig(source, config.Heads) with { NormEpsilon = config.NormEpsilon }, file);
        }
    }

    private static SmallNets.ShapesOnly Shapes(DeitConfig config) =>
        new("deit.pth", new DeitParameters(config).All.Select(p =>
            new CheckpointTensor(p.Name, CheckpointDataType.Float32, [.. p.Shape.Select(e => (long)e)])));

    private static byte[] Bytes(DeitModel model)
    {
        var stream = new MemoryStream();
        model.Save(stream);
        return stream.ToArray();
    }
}

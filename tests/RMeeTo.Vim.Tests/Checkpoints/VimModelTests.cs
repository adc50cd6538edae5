using System.Reflection;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints;

[TestClass]
public sealed class VimModelTests
{
    /// <summary>Nothing at its default where another value is possible.</summary>
    private static readonly VimConfig Unusual = new()
    {
        ImageHeight = 20, ImageWidth = 28, PatchSize = 6, Stride = 5, Width = 8, Depth = 3, StateSize = 5, ConvolutionWidth = 3, Expansion = 3, TimeStepRank = 2, Classes = 3,
        AverageDirections = false, ClassToken = ClassTokenPosition.First, Norm = NormKind.Layer, NormEpsilon = 1.1e-6f, LayerScale = true,
    };

    /// <summary>What the first example leaves at its default: it came before these, and excludes some of them.</summary>
    private static readonly VimConfig[] Variants =
    [
        Unusual with { ClassToken = ClassTokenPosition.None, Pooling = TokenPooling.Last, ProjectionBias = true },
        Unusual with { ClassToken = ClassTokenPosition.Ends },
        Unusual with { Frames = 6, TubeletSize = 3 },
    ];

    private static readonly MergeOptions UnusualMerging = new() { Reduction = MergeReduction.Prune, Order = MergeOrder.OddEven };

    /// <summary>Options that came after the first version, which contradict those above.</summary>
    private static readonly MergeOptions LaterMerging = new()
    {
        Metric = MergeMetric.Delta, MetricAlignment = MetricAlignment.Reference, Distance = MergeDistance.L1, PartnerRank = 2, Combination = MergeCombination.Max,
        ClassPosition = MergeClassPosition.Exact, ProtectedNeighbours = 1,
    };

    private static readonly MergeOptions ShuffledMerging = new() { Order = MergeOrder.OddEven, ShuffleRate = 0.3, ShuffleSeed = ulong.MaxValue };

    private static readonly EvaluationPreprocessing UnusualPreprocessing = new()
    {
        ImageHeight = 20, ImageWidth = 28, CropRatio = 0.9123456789, Normalization = new(new(0.1f, 0.2f, 0.3f), new(0.7f, 0.8f, 0.9f)),
    };

    private static readonly string[] Names = ["Katze", "犬", "a \"quoted\", \\ name\n"];

    [TestMethod]
    public void NothingInTheseExamplesIsAtItsDefault()
    {
        // A property that is added later must be added to the examples, and so to the file.
        AssertNoDefaults(new VimConfig(), [Unusual, .. Variants]);
        AssertNoDefaults(new MergeOptions(), UnusualMerging, LaterMerging, ShuffledMerging);
        AssertNoDefaults(new EvaluationPreprocessing(), UnusualPreprocessing);

        static void AssertNoDefaults<T>(T defaults, params T[] examples)
        {
            foreach (var property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance))
                if (property.SetMethod is { IsPublic: true }) Assert.IsTrue(examples.Any(e => !Equals(property.GetValue(defaults), property.GetValue(e))), property.Name);
        }
    }

    [TestMethod]
    public void EveryVariantIsKept()
    {
        foreach (var config in Variants)
        {
            var model = new VimModel(VimInitializer.Create(config, 1, layerScale: 0.25f), Names);
            var loaded = VimModel.Load(new MemoryStream(Bytes(model)));
            SmallNets.AssertSame(model.Weights, loaded.Weights);
        }
    }

    [TestMethod]
    public void WithFramesResizesThePlacesInTime()
    {
        var model = new VimModel(VimInitializer.Create(SmallNets.Clips, 1), ["a", "b", "c"], MergeSchedule.Uniform(SmallNets.Clips, 2, 1));
        var longer = model.WithFrames(12);
        Assert.AreEqual((12, 97, 95), (longer.Config.Frames, longer.Schedule.InputTokens, longer.Schedule.TokensPerBlock[^1]));
        Assert.AreEqual(2 * model.Weights["temporal_pos_embedding"].Length, longer.Weights["temporal_pos_embedding"].Length);
        SmallNets.AssertSame(longer.Weights, VimModel.Load(new MemoryStream(Bytes(longer))).Weights);
        Assert.ThrowsExactly<ArgumentException>(() => model.WithFrames(5));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => model.WithFrames(0));
        Assert.ThrowsExactly<InvalidOperationException>(() => new VimModel(VimInitializer.Create(SmallNets.Config, 1), ["a", "b", "c"]).WithFrames(8));
    }

    [TestMethod]
    public void EveryMergeOptionIsKept()
    {
        foreach (var merging in new[] { LaterMerging, ShuffledMerging, MergeOptions.Default })
        {
            var model = new VimModel(VimInitializer.Create(Unusual, 1, layerScale: 0.25f), Names, MergeSchedule.Custom(Unusual, [0, 3, 100], merging), merging, UnusualPreprocessing);
            var loaded = VimModel.Load(new MemoryStream(Bytes(model)));
            Assert.AreEqual(merging, loaded.Merging);
            Assert.AreEqual(model.Schedule.ToString(), loaded.Schedule.ToString());
        }
        using var source = new SafetensorsReader(new MemoryStream(Bytes(Example().WithSchedule(MergeSchedule.Dense(Unusual), MergeOptions.Default))));
        Assert.AreEqual("""{"removedPerBlock":[0,0,0],"reduction":"Merge","order":"Original"}""", source.Metadata["rmeeto.merging"], "a file that uses nothing new is one that the first version reads");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void EverythingIsKept(bool seekable)
    {
        var model = Example();
        byte[] bytes = Bytes(model);
        var stream = seekable ? new MemoryStream(bytes) : new SafetensorsBytes.Trickle(bytes);
        var loaded = VimModel.Load(stream);
        SmallNets.AssertSame(model.Weights, loaded.Weights);
        Assert.AreEqual(Unusual, loaded.Config);
        CollectionAssert.AreEqual(Names, loaded.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { 0, 3, 100 }, loaded.Schedule.RemovedPerBlock.ToArray());
        Assert.AreEqual(MergeOrder.OddEven, loaded.Schedule.Order);
        Assert.AreEqual(UnusualMerging, loaded.Merging);
        Assert.AreEqual(UnusualPreprocessing, loaded.Preprocessing);
        Assert.IsTrue(stream.CanRead, "the stream is the caller's");
        CollectionAssert.AreEqual(bytes, Bytes(loaded), "the same model gives the same file");
    }

    [TestMethod]
    public void TheFileIsAPlainStateDict()
    {
        var model = new VimModel(VimInitializer.Create(SmallNets.Config, 1), ["a", "b", "c"]);
        using var source = new SafetensorsReader(new MemoryStream(Bytes(model)));
        CollectionAssert.AreEqual(model.Weights.Parameters.All.Select(p => p.Name).ToArray(), source.Tensors.Select(t => t.Name).ToArray());
        SmallNets.AssertSame(model.Weights, VimCheckpoint.Load(source, SmallNets.Config));
    }

    [TestMethod]
    public void TheOrderOfTheTensorsIsFree()
    {
        var model = Example();
        using var source = new SafetensorsReader(new MemoryStream(Bytes(model)));
        var tensors = model.Weights.Parameters.All.Select(p => new FloatTensor(p.Name, p.Shape, model.Weights[p].ToArray())).OrderBy(t => t.Name, StringComparer.Ordinal);
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [.. tensors], source.Metadata);
        stream.Position = 0;
        SmallNets.AssertSame(model.Weights, VimModel.Load(stream).Weights);
    }

    [TestMethod]
    public void AFileOfFormatVersion1IsStillRead()
    {
        using var stream = typeof(VimModelTests).Assembly.GetManifestResourceStream("model-v1.safetensors")!;
        var model = VimModel.Load(stream, "model-v1.safetensors");
        Assert.AreEqual(Unusual, model.Config);
        CollectionAssert.AreEqual(Names, model.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { 0, 3, 100 }, model.Schedule.RemovedPerBlock.ToArray());
        Assert.AreEqual(UnusualMerging, model.Merging);
        Assert.AreEqual(UnusualPreprocessing, model.Preprocessing);
        Assert.AreEqual(1f, model.Weights["layers.0.mixer.D"][0]);
        Assert.AreEqual(0.25f, model.Weights["layers.2.mixer.gamma"][7]);
    }

    [TestMethod]
    public void APlainStateDictIsAnotherMatter()
    {
        var stream = new MemoryStream();
        VimCheckpoint.Save(stream, VimInitializer.Create(SmallNets.Config, 1));
        stream.Position = 0;
        var e = Assert.ThrowsExactly<CheckpointMismatchException>(() => VimModel.Load(stream, "plain.safetensors"));
        StringAssert.Contains(e.Message, "VimCheckpoint.Load");
    }

    public static IEnumerable<object[]> BadMetadata =>
    [
        ["rmeeto.format", "1", "2", "newer version"],
        ["rmeeto.format", "1", "0", "not a version number"],
        ["rmeeto.format", "1", "one", "not a version number"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":2", "contradicts the shapes"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":1048576", "contradicts the shapes"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":0", "VimConfig.Depth is 0"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":99999999999", "rmeeto.config.depth is not a whole number"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":3,\"depth\":3", "not valid JSON"],
        ["rmeeto.config", "\"depth\":3,", "", "rmeeto.config.depth is not a whole number"],
        ["rmeeto.config", "\"depth\":3", "\"depth\":3,\"ropeBase\":100", "newer version"],
        ["rmeeto.config", "\"imageWidth\":28", "\"imageWidth\":1048576", "contradicts the shapes"],
        ["rmeeto.config", "\"imageWidth\":28", "\"imageWidth\":1", "contradicts the shapes"],
        ["rmeeto.config", "\"width\":8", "\"width\":1048576", "contradicts the shapes"],
        ["rmeeto.config", "\"classes\":3", "\"classes\":1000000", "contradicts the shapes"],
        ["rmeeto.config", "\"First\"", "\"1\"", "one of Middle, First"],
        ["rmeeto.config", "{", "[[[[[[{", "not valid JSON"],
        ["rmeeto.classes", "\"Katze\",", "", "2 names"],
        ["rmeeto.classes", "\"Katze\"", "\"犬\"", "once more"],
        ["rmeeto.classes", "\"Katze\"", "7", "not a list of texts"],
        ["rmeeto.merging", "[0,3,100]", "[0,3]", "2 entries"],
        ["rmeeto.merging", "[0,3,100]", "[1,3,100]", "block 0 cannot merge"],
        ["rmeeto.merging", "[0,3,100]", "[0,3,\"x\"]", "list of whole numbers"],
        ["rmeeto.merging", "\"Prune\"", "\"Burn\"", "one of Merge, Prune"],
        ["rmeeto.preprocessing", "[0.1,0.2,0.3]", "[0.1,0.2]", "2 means"],
        ["rmeeto.preprocessing", "0.7", "-0.7", "not a sound model file"],
        ["rmeeto.preprocessing", "\"imageHeight\":20", "\"imageHeight\":24", "must be equal"],
        ["rmeeto.preprocessing", "\"cropRatio\":0.9", "\"cropRatio\":9", "CropRatio"],
    ];

    [TestMethod]
    [DynamicData(nameof(BadMetadata))]
    public void BadMetadataIsABadFile(string key, string old, string replacement, string reason)
    {
        var model = Example();
        var metadata = VimModelMetadata.Write(model);
        StringAssert.Contains(metadata[key], old);
        metadata[key] = metadata[key].Replace(old, replacement);
        AssertBad(model, metadata, reason);
    }

    [TestMethod]
    public void EveryEntryIsNeeded()
    {
        var model = Example();
        foreach (string key in VimModelMetadata.Write(model).Keys.Where(k => k.StartsWith("rmeeto.", StringComparison.Ordinal) && k != "rmeeto.format"))
        {
            var metadata = VimModelMetadata.Write(model);
            metadata.Remove(key);
            AssertBad(model, metadata, "its metadata lack");
        }
    }

    [TestMethod]
    public void EveryDamagedWeightIsNoticed()
    {
        byte[] file = Bytes(Example());
        for (int i = 0; i < 50; i++)
        {
            byte[] damaged = [.. file];
            damaged[file.Length - 1 - 37 * i] ^= 4;
            StringAssert.Contains(Assert.ThrowsExactly<CheckpointFormatException>(() => VimModel.Load(new MemoryStream(damaged))).Message, "SHA-256");
        }
    }

    [TestMethod]
    public void PartsThatDoNotFitAreRefused()
    {
        var weights = new VimWeights(SmallNets.Config);
        string[] names = ["a", "b", "c"];
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, ["a", "b"]));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, ["a", "b", "b"]));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, names, MergeSchedule.Dense(VimConfig.VimTiny)));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, names, MergeSchedule.Uniform(SmallNets.Config, 2, 1), new() { Order = MergeOrder.OddEven }));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, names, MergeSchedule.Uniform(SmallNets.Config, 2, 1), new() { ProtectedNeighbours = 1 }));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, names, MergeSchedule.Uniform(SmallNets.Config, 2, 1), new() { PartnerRank = 1000 }));
        Assert.ThrowsExactly<ArgumentException>(() => new VimModel(weights, names, preprocessing: new()));
    }

    [TestMethod]
    public void WithScheduleSharesTheWeights()
    {
        var model = new VimModel(VimInitializer.Create(SmallNets.Config, 1), ["a", "b", "c"]);
        Assert.IsTrue(model.Schedule.IsDense);
        var merged = model.WithSchedule(MergeSchedule.Uniform(SmallNets.Config, 2, 1));
        Assert.AreSame(model.Weights, merged.Weights);
        Assert.HasCount(1, merged.Schedule.Steps);
        var oddEven = model.WithSchedule(MergeSchedule.Uniform(SmallNets.Config, 2, 1, merging: new() { Order = MergeOrder.OddEven }), new() { Order = MergeOrder.OddEven });
        Assert.AreEqual(MergeOrder.OddEven, oddEven.Merging.Order);
        Assert.AreEqual(oddEven.Schedule.ToString(), VimModel.Load(new MemoryStream(Bytes(oddEven))).Schedule.ToString());
    }

    [TestMethod]
    public void WithHeadKeepsKnownClasses()
    {
        var model = new VimModel(VimInitializer.Create(SmallNets.Config, 1), ["a", "b", "c"]);
        var other = model.WithHead(["c", "d"], 2, out var report);
        CollectionAssert.AreEqual(new[] { "c", "d" }, other.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { "c" }, report.KeptClasses.ToArray());
        Assert.IsTrue(model.Weights["head.weight"].Slice(16, 8).SequenceEqual(other.Weights["head.weight"][..8]));
        Assert.AreEqual(2, other.Config.Classes);
        Assert.ThrowsExactly<ArgumentException>(() => model.WithHead([], 1));
        Assert.ThrowsExactly<ArgumentException>(() => model.WithHead(["x", "x"], 1));
    }

    [TestMethod]
    public void WithImageSizeResizesEverythingThatDependsOnIt()
    {
        var model = new VimModel(VimInitializer.Create(SmallNets.Config, 1), ["a", "b", "c"], MergeSchedule.Uniform(SmallNets.Config, 2, 1));
        var larger = model.WithImageSize(24, 32);
        Assert.AreEqual((24, 32), (larger.Preprocessing.ImageHeight, larger.Preprocessing.ImageWidth));
        Assert.AreEqual(49, larger.Schedule.InputTokens);
        Assert.AreEqual(47, larger.Schedule.TokensPerBlock[^1]);
        Assert.IsTrue(model.Weights["pos_embed"].Slice(8 * 8, 8).SequenceEqual(larger.Weights["pos_embed"].Slice(24 * 8, 8)), "class row");
        SmallNets.AssertSame(larger.Weights, VimModel.Load(new MemoryStream(Bytes(larger))).Weights);
        Assert.ThrowsExactly<ArgumentException>(() => model.WithImageSize(2, 16));
    }

    [TestMethod]
    public void AFileOnDiskIsReplacedWhole()
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto").FullName;
        try
        {
            string path = Path.Combine(folder, "model.safetensors");
            Example().Save(path);
            var other = Example().WithHead(["x"], 1);
            other.Save(path);
            SmallNets.AssertSame(other.Weights, VimModel.Load(path).Weights);
            Assert.HasCount(1, Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    private static VimModel Example() =>
        new(VimInitializer.Create(Unusual, 1, layerScale: 0.25f), Names, MergeSchedule.Custom(Unusual, [0, 3, 100], UnusualMerging), UnusualMerging, UnusualPreprocessing);

    private static byte[] Bytes(VimModel model)
    {
        var stream = new MemoryStream();
        model.Save(stream);
        return stream.ToArray();
    }

    private static void AssertBad(VimModel model, Dictionary<string, string> metadata, string reason)
    {
        var stream = new MemoryStream();
        VimCheckpoint.Save(stream, model.Weights, metadata);
        stream.Position = 0;
        var e = Assert.ThrowsExactly<CheckpointFormatException>(() => VimModel.Load(stream, "bad.safetensors"));
        StringAssert.Contains(e.Message, reason);
        StringAssert.Contains(e.Message, "bad.safetensors");
    }
}

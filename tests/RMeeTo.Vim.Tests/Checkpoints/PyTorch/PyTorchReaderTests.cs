using System.Buffers.Binary;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

[TestClass]
public sealed class PyTorchReaderTests
{
    private static readonly VimWeights s_model = VimInitializer.Create(SmallNets.Config, seed: 1), s_average = VimInitializer.Create(SmallNets.Config, seed: 2);
    private static readonly TorchName s_rebuild = new("torch._utils", "_rebuild_tensor_v2");

    public static IEnumerable<object[]> Forms =>
    [
        ["zip", (TorchFile f) => f.Zip()],
        ["zip, protocol 4", (TorchFile f) => f.Zip(protocol: 4)],
        ["zip, protocol 5", (TorchFile f) => f.Zip(protocol: 5)],
        ["zip of PyTorch 1.6, without byteorder", (TorchFile f) => f.Zip("vim_t_midclstok_76p1acc/", byteOrder: null)],
        ["zip, strange folder", (TorchFile f) => f.Zip("..étc\\x y/")],
        ["zip, no folder", (TorchFile f) => f.Zip("")],
        ["zip, narrow directory, comment", (TorchFile f) => f.Zip(archive: new() { Comment = "PK\x05\x06 is not the end" })],
        ["zip, sizes in front", (TorchFile f) => f.Zip(change: i => i with { Descriptor = false })],
        ["zip, wide sizes", (TorchFile f) => f.Zip(change: i => i with { Wide = true })],
        ["zip, deflated", (TorchFile f) => f.Zip(change: i => i with { Deflated = true })],
        ["legacy", (TorchFile f) => f.Legacy()],
        ["legacy, protocol 4", (TorchFile f) => f.Legacy(protocol: 4)],
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void EveryFormHoldsTheSameWeights(string form, object write)
    {
        var file = new TorchFile();
        file.Root = file.StateDict(s_model);
        byte[] bytes = ((Func<TorchFile, byte[]>)write)(file);
        foreach (Stream stream in (Stream[])[new MemoryStream(bytes), new SafetensorsBytes.Trickle(bytes)])
        {
            using var source = Checkpoint.Open(stream, name: "vim.pth");
            Assert.IsInstanceOfType<PyTorchReader>(source, form);
            CollectionAssert.AreEqual(s_model.Parameters.All.Select(p => p.Name).ToArray(), source.Tensors.Select(t => t.Name).ToArray());
            Assert.IsEmpty(source.Notes);
            Assert.IsEmpty(source.Metadata);
            var config = VimCheckpoint.InferConfig(source);
            Assert.AreEqual(SmallNets.Config, config);
            SmallNets.AssertSame(s_model, VimCheckpoint.Load(source, config));
        }
    }

    [TestMethod]
    [DataRow(CheckpointWeights.Model, "model")]
    [DataRow(CheckpointWeights.Ema, "model_ema")]
    public void OneSetOfWeightsIsTakenFromATrainingCheckpoint(CheckpointWeights weights, string key)
    {
        var file = TorchFile.Training(s_model, s_average);
        foreach (byte[] bytes in (byte[][])[file.Zip(), file.Zip(protocol: 4), file.Legacy(), file.Legacy(protocol: 4)])
        {
            using var source = Checkpoint.Open(new MemoryStream(bytes), new() { Weights = weights }, "vim.pth");
            var fitted = VimCheckpoint.LoadFitted(source, SmallNets.Config);
            SmallNets.AssertSame(weights == CheckpointWeights.Model ? s_model : s_average, fitted.Weights);
            StringAssert.StartsWith(fitted.Report.Lines[0], $"Weights taken from '{key}' of vim.pth; not read: ");
            foreach (string other in (string[])["optimizer", "lr_scheduler", "epoch", "scaler", "args"])
                StringAssert.Contains(fitted.Report.Lines[0], $"'{other}'");
        }
    }

    [TestMethod]
    public void WhatIsNotTakenIsNotRead()
    {
        var file = TorchFile.Training(s_model, s_average);
        int own = s_model.Parameters.All.Count;
        // Optimizer and average are not even there, or damaged.
        Func<ZipItem, ZipItem>[] changes = [i => i with { Name = Rename(i.Name) }, i => Rename(i.Name) == i.Name ? i : i with { Crc = 1 }];
        foreach (var change in changes)
        {
            using var source = Checkpoint.Open(new MemoryStream(file.Zip(change: change)));
            SmallNets.AssertSame(s_model, VimCheckpoint.Load(source, SmallNets.Config));
        }
        string Rename(string name) => name.StartsWith("archive/data/") && int.Parse(name["archive/data/".Length..]) >= own ? name + "gone" : name;
    }

    [TestMethod]
    [DataRow("model", "")]
    [DataRow("state_dict", "module.")]
    [DataRow("module", "")]
    [DataRow(null, "module.")]
    public void KeysAndPrefixesAreKnown(string? key, string prefix)
    {
        var file = new TorchFile();
        object state = file.StateDict(s_model, prefix);
        file.Root = key == null ? state : new (object?, object?)[] { (key, state) };
        using var source = Checkpoint.Open(new MemoryStream(file.Zip()));
        SmallNets.AssertSame(s_model, VimCheckpoint.Load(source, SmallNets.Config));
        Assert.AreEqual(prefix.Length > 0, source.Notes.Any(note => note.Contains("'module.' removed")));
    }

    [TestMethod]
    public void MissingSetsOfWeightsAreNamed()
    {
        var file = new TorchFile();
        file.Root = new (object?, object?)[] { ("model_ema", file.StateDict(s_model)) };
        Mismatch(file, CheckpointWeights.Model, "'model_ema'", "CheckpointWeights.Ema");
        file = new();
        file.Root = file.StateDict(s_model);
        Mismatch(file, CheckpointWeights.Ema, "no moving average", "CheckpointWeights.Model");
        file.Root = new (object?, object?)[] { ("net", file.StateDict(s_model)), ("epoch", 3) };
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointFormatException>(() => Checkpoint.Open(new MemoryStream(file.Zip()))).Message, "'net', 'epoch'");

        static void Mismatch(TorchFile file, CheckpointWeights weights, params string[] parts)
        {
            var e = Assert.ThrowsExactly<CheckpointMismatchException>(() => Checkpoint.Open(new MemoryStream(file.Zip()), new() { Weights = weights }));
            foreach (string part in parts) StringAssert.Contains(e.Message, part);
        }
    }

    [TestMethod]
    public void OptionsAreCheckedWhereTheyAreSet()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new CheckpointReadOptions { Weights = (CheckpointWeights)2 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new CheckpointReadOptions { UnknownObjects = (UnknownObjects)(-1) });
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ViewsAreReadAsTheyShow(bool legacy)
    {
        var file = new TorchFile();
        float[] values = [.. Enumerable.Range(0, 60).Select(i => (float)i)];
        var all = file.Add(values, 6, 10);
        var parameter = new TorchCall(new("torch._utils", "_rebuild_parameter"), [all, true, new TorchOrdered([])]);
        file.Root = new (object?, object?)[]
        {
            ("part", all with { Offset = 20, Shape = [2, 10] }),
            ("turned", all with { Shape = [10, 6], Strides = [1, 10] }),
            ("every third", all with { Offset = 1, Shape = [3, 3], Strides = [20, 3] }),
            ("overlapping", all with { Offset = 3, Shape = [4, 2], Strides = [1, 2] }),
            ("diagonal", all with { Shape = [1, 6], Strides = [99, 11] }),
            ("number", all with { Offset = 59, Shape = [] }),
            ("empty", all with { Offset = 1000, Shape = [0, 7] }),
            ("cube", all with { Offset = 2, Shape = [2, 3, 2], Strides = [1, 20, 10] }),
            ("parameter", parameter),
            ("with attributes", new TorchCall(new("torch._tensor", "_rebuild_from_type_v2"), [s_rebuild, new TorchName("torch.nn.parameter", "Parameter"),
                new object?[] { new TorchRaw(new PickleBytes(legacy).Storage(all)), 0, new object?[] { 60 }, new object?[] { 1 }, true, new TorchOrdered([]) },
                new (object?, object?)[] { ("_no_weight_decay", true) }])),
            ("note", "not a tensor"),
        };
        using var source = Checkpoint.Open(new MemoryStream(legacy ? file.Legacy() : file.Zip()));
        CollectionAssert.AreEqual(values[20..40], Read(source, "part"));
        CollectionAssert.AreEqual(values.OrderBy(v => v % 10).ThenBy(v => v).ToArray(), Read(source, "turned"));
        CollectionAssert.AreEqual(new float[] { 1, 4, 7, 21, 24, 27, 41, 44, 47 }, Read(source, "every third"));
        CollectionAssert.AreEqual(new float[] { 3, 5, 4, 6, 5, 7, 6, 8 }, Read(source, "overlapping"));
        CollectionAssert.AreEqual(new float[] { 0, 11, 22, 33, 44, 55 }, Read(source, "diagonal"));
        CollectionAssert.AreEqual(new float[] { 59 }, Read(source, "number"));
        Assert.IsEmpty(Read(source, "empty"));
        CollectionAssert.AreEqual(new float[] { 2, 12, 22, 32, 42, 52, 3, 13, 23, 33, 43, 53 }, Read(source, "cube"));
        CollectionAssert.AreEqual(values, Read(source, "parameter"));
        CollectionAssert.AreEqual(values, Read(source, "with attributes"));
        Assert.IsNull(source.Find("note"));
        StringAssert.Contains(source.Notes.Single(), "'note'");
    }

    [TestMethod]
    public void TypesAreToldAndFloatsConverted()
    {
        var file = new TorchFile();
        byte[] doubles = [.. ((double[])[1 / 3.0, -0.0, 1e300, double.NaN]).SelectMany(BitConverter.GetBytes)];
        byte[] halves = [.. ((float[])[1.5f, -2]).SelectMany(v => BitConverter.GetBytes((Half)v))], brains = [0xC0, 0x3F, 0x00, 0xC0];
        var bytes = file.Add("Untyped", [.. halves, .. doubles], 36, 36);
        var type = new TorchName("torch", "float16");
        object V3(long offset, long count, TorchName dtype) => new TorchCall(new("torch._utils", "_rebuild_tensor_v3"),
            [new TorchRaw(new PickleBytes().Storage(bytes)), offset, new object?[] { count }, new object?[] { 1 }, false, new TorchOrdered([]), dtype]);
        file.Root = new (object?, object?)[]
        {
            ("double", file.Add("Double", doubles, 4, 2, 2)), ("half", file.Add("Half", halves, 2, 2)), ("brain", file.Add("BFloat16", brains, 2, 2)),
            ("long", file.Add("Long", new byte[16], 2, 2)), ("int", file.Add("Int", new byte[8], 2, 2)), ("short", file.Add("Short", new byte[4], 2, 2)),
            ("char", file.Add("Char", new byte[2], 2, 2)), ("byte", file.Add("Byte", new byte[2], 2, 2)), ("bool", file.Add("Bool", new byte[2], 2, 2)),
            ("v3", V3(1, 1, type)), ("u16", V3(3, 2, new("torch", "uint16"))),
        };
        using var source = Checkpoint.Open(new MemoryStream(file.Zip()));
        CollectionAssert.AreEqual(new[] { 1 / 3f, -0f, float.PositiveInfinity, float.NaN }, Read(source, "double"));
        CollectionAssert.AreEqual(new[] { 1.5f, -2f }, Read(source, "half"));
        CollectionAssert.AreEqual(new[] { 1.5f, -2f }, Read(source, "brain"));
        CollectionAssert.AreEqual(new[] { -2f }, Read(source, "v3"));
        var types = source.Tensors.ToDictionary(t => t.Name, t => t.DataType);
        Assert.AreEqual(CheckpointDataType.Int64, types["long"]);
        Assert.AreEqual(CheckpointDataType.Int32, types["int"]);
        Assert.AreEqual(CheckpointDataType.Int16, types["short"]);
        Assert.AreEqual(CheckpointDataType.Int8, types["char"]);
        Assert.AreEqual(CheckpointDataType.UInt8, types["byte"]);
        Assert.AreEqual(CheckpointDataType.Bool, types["bool"]);
        Assert.AreEqual(CheckpointDataType.UInt16, types["u16"]);
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointFormatException>(() => source.Read("long", new float[2])).Message, "Int64");
        Assert.ThrowsExactly<ArgumentException>(() => source.Read("half", new float[3]));
        Assert.ThrowsExactly<ArgumentException>(() => source.Read("absent", new float[3]));
    }

    [TestMethod]
    public void StridedHalvesAreReadRight()
    {
        var file = new TorchFile();
        byte[] halves = [.. Enumerable.Range(0, 40_000).SelectMany(i => BitConverter.GetBytes((Half)(i % 2048)))];
        var all = file.Add("Half", halves, 40_000, 200, 200);
        file.Root = new (object?, object?)[] { ("t", all with { Strides = [1, 200] }) };
        using var source = Checkpoint.Open(new MemoryStream(file.Zip()));
        float[] turned = Read(source, "t");
        for (int i = 0; i < 40_000; i++) Assert.AreEqual((i % 200 * 200 + i / 200) % 2048, turned[i], $"{i}");
    }

    [TestMethod]
    public void PartsOfLegacyStoragesAreRead()
    {
        // PyTorch before 0.4 wrote views of storages with a sixth item: key, first number, count.
        var file = new TorchFile();
        var all = file.Add([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10);
        PickleBytes Id(object? view) =>
            new PickleBytes().Value(new object?[] { "storage", new TorchName("torch", "FloatStorage"), "0", "cpu", 10, view }).Raw('Q');
        object Tensor(object? view, long offset, long count) =>
            new TorchCall(s_rebuild, [new TorchRaw(Id(view)), offset, new object?[] { count }, new object?[] { 1 }, false, new TorchOrdered([])]);
        file.Root = new (object?, object?)[] { ("all", all), ("part", Tensor(new object?[] { "1", 4, 5 }, 1, 3)) };
        using var source = Checkpoint.Open(new MemoryStream(file.Legacy()));
        CollectionAssert.AreEqual(new float[] { 5, 6, 7 }, Read(source, "part"));
        file.Root = new (object?, object?)[] { ("part", Tensor(new object?[] { "1", 4, 7 }, 0, 3)) };
        HostilePickleTests.AssertRefused(file.Legacy(), "does not lie inside");
        file.Root = new (object?, object?)[] { ("part", Tensor(new object?[] { "1", 4, 5 }, 3, 3)) };
        HostilePickleTests.AssertRefused(file.Legacy(), "beyond its storage of 5");
    }

    private static float[] Read(ICheckpointSource source, string name)
    {
        var values = new float[source.Find(name)!.Length];
        source.Read(name, values);
        return values;
    }
}

using System.Numerics;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

/// <summary>Pickles made to harm or to mislead: each is refused by a message that says why, in both formats, with hardly any memory spent.</summary>
[TestClass]
public sealed class HostilePickleTests
{
    private static readonly TorchTensor s_four = new("0", "Float", 4, 0, [4]);

    public static IEnumerable<object[]> Globals =>
    [
        ["os", "system"], ["posix", "system"], ["nt", "system"], ["subprocess", "Popen"], ["builtins", "eval"], ["builtins", "exec"],
        ["builtins", "getattr"], ["builtins", "__import__"], ["__builtin__", "eval"], ["__builtin__", "apply"], ["operator", "attrgetter"],
        ["functools", "partial"], ["copyreg", "_reconstructor"], ["importlib", "import_module"], ["torch", "load"], ["torch.hub", "load"],
        ["torch.storage", "_load_from_bytes"], ["numpy", "load"], ["pickle", "loads"], ["webbrowser", "open"], ["runpy", "_run_code"],
        ["torch._utils", "__builtins__"],
        ["collections", "OrderedDict.fromkeys"], ["torch.FloatStorage", "from_file"], ["", ""], ["os\u0000", "system\u001b[31m"],
    ];

    [TestMethod]
    [DynamicData(nameof(Globals))]
    public void NamesThatAreNotOnTheListAreRefused(string module, string name)
    {
        var global = new TorchName(module, name);
        foreach (object root in (object[])[
            new (object?, object?)[] { ("a", s_four), ("args", new TorchCall(global, ["echo harm"])) },
            new (object?, object?)[] { ("a", s_four), (global, 1) },
            new TorchNew(global, []),
            new TorchState(global, new (object?, object?)[] { ("x", 1) })])
            foreach (int protocol in (int[])[2, 4])
                Refused(root, protocol, module == "torch._utils" ? "nothing of the file was executed" : "nothing of");
    }

    [TestMethod]
    public void UnknownNamesAreSkippedOnlyWhenAsked()
    {
        var file = new TorchFile();
        var tensor = file.Add([1, 2, 3, 4], 4);
        var call = new TorchCall(new("os", "system"), ["echo harm"]);
        file.Root = new (object?, object?)[]
        {
            ("a", tensor), ("args", new TorchState(new TorchCall(new("mine", "Config"), []), new (object?, object?)[] { ("x", 1) })), ("b", call),
            ("c", new TorchCall(new("mine", "make_tensor"), [tensor])),
        };
        foreach (byte[] bytes in (byte[][])[file.Zip(), file.Legacy()])
        {
            StringAssert.Contains(Assert.ThrowsExactly<CheckpointFormatException>(() => Checkpoint.Open(new MemoryStream(bytes))).Message, "'mine.Config'");
            using var source = Checkpoint.Open(new MemoryStream(bytes), new() { UnknownObjects = UnknownObjects.Skip });
            var values = new float[4];
            source.Read("a", values);
            CollectionAssert.AreEqual(new float[] { 1, 2, 3, 4 }, values);
            Assert.HasCount(1, source.Tensors); // what an unknown function makes is no tensor
        }
    }

    private static readonly object?[] s_one = [1];
    private static readonly TorchName s_rebuild = new("torch._utils", "_rebuild_tensor_v2"), s_ordered = new("collections", "OrderedDict");

    public static IEnumerable<object[]> Steps =>
    [
        ["no end", P(), "no end"],
        ["empty stack", P('.'), "empty stack"],
        ["no mark", P('t', '.'), "a mark that is not there"],
        ["beneath a mark", P('N', '(', '0', '.'), "empty stack"],
        ["recall of nothing", P('h', 7, '.'), "recalls object 7"],
        ["protocol 6", new byte[] { 0x80, 6, (byte)'N', (byte)'.' }, "protocol 6"],
        ["protocol 0 integer", P('I', '1', '\n', '.'), "step 0x49"],
        ["protocol 0 instance", P('(', 'i', 'o', 's', '\n', 's', 'y', 's', 't', 'e', 'm', '\n', '.'), "step 0x69"],
        ["persistent id as text", P('P', '0', '\n', '.'), "step 0x50"],
        ["object of protocol 1", P('(', 'N', 'o', '.'), "step 0x6F"],
        ["extension registry", P(0x82, 1, '.'), "step 0x82"],
        ["out-of-band buffer", P(0x97, '.'), "step 0x97"],
        ["unknown step", P(0xFF, '.'), "step 0xFF"],
        ["long text", P('X', 0xFF, 0xFF, 0xFF, 0xFF, '.'), "claims a value of 4294967295 bytes"],
        ["longer text", P(0x8d, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, '.'), "claims a value of"],
        ["long bytes", P(0x8e, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, '.'), "claims a value of"],
        ["long frame", P(0x95, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 'N', '.'), "claims a value of"],
        ["name without end", P(['c', .. Enumerable.Repeat<object>('a', 5000), '.']), "more than 1024 bytes"],
        ["call of a text", P(V("os.system"), ')', 'R', '.'), "no function"],
        ["call of None", P('N', ')', 'R', '.'), "no function"],
        ["call of a result", P(V(new TorchCall(s_ordered, [])), ')', 'R', '.'), "no function"],
        ["call without tuple", P(V(s_ordered), 'N', 'R', '.'), "other than a tuple"],
        ["call of a storage class", P(V(new TorchName("torch", "FloatStorage")), ')', 'R', '.'), "arguments that PyTorch does not write"],
        ["call of a dtype", P(V(new TorchName("torch", "float32")), ')', 'R', '.'), "arguments that PyTorch does not write"],
        ["global of numbers", P('K', 1, 'K', 2, 0x93, '.'), "something other than two texts"],
        ["state of a number", P('K', 1, 'N', 'b', '.'), "gives attributes"],
        ["items of a number", P('K', 1, 'K', 1, 'K', 1, 's', '.'), "no dict"],
        ["append to a dict", P('}', 'N', 'a', '.'), "no list"],
        ["key without value", P('}', '(', 'N', 'u', '.'), "key without a value"],
        ["pairs that are none", P(V(s_ordered), V(new List<object?> { 1 }), 0x85, 'R', '.'), "list of pairs"],
        ["id of None", P('N', 'Q', '.'), "no storage"],
        ["id of a module", P(V(new object?[] { "module", "x", "file.py", "import os" }), 'Q', '.'), "whole pickled model"],
        ["id with a text as class", P(V(new object?[] { "storage", "FloatStorage", "0", "cpu", 4 }), 'Q', '.'), "no storage"],
        ["storage of -1", P(V(s_four with { Count = -1 }), '.'), "storage '0' of -1 numbers"],
        ["storage of 2^62", P(V(s_four with { Count = 1L << 62 }), '.'), "storage '0' of 4611686018427387904 numbers"],
        ["storage of 2^70", P(V(new object?[] { "storage", new TorchName("torch", "FloatStorage"), "0", "cpu", BigInteger.Pow(2, 70) }), 'Q', '.'),
            "no storage"],
        ["tensor without storage", P(V(new TorchCall(s_rebuild, [null, 0, s_one, s_one, false, null])), '.'), "arguments that PyTorch does not write"],
        ["tensor of too few arguments", P(V(new TorchCall(s_rebuild, [])), '.'), "arguments that PyTorch does not write"],
        ["tensor of floats' edges", P(V(s_rebuild), '(', new PickleBytes().Storage(s_four), 'K', 0, V(new object?[] { 1.5 }), V(s_one), 't', 'R', '.'),
            "arguments that PyTorch does not write"],
        ["negative offset", P(V(s_four with { Offset = -4 }), '.'), "stride -4"],
        ["negative edge", P(V(s_four with { Shape = [-2, -2], Strides = [1, 1] }), '.'), "stride -2"],
        ["negative stride", P(V(s_four with { Offset = 3, Strides = [-1] }), '.'), "stride -1"],
        ["nine edges", P(V(s_four with { Shape = [1, 1, 1, 1, 1, 1, 1, 1, 1] }), '.'), "9 edges"],
        ["strides of another rank", P(V(s_four with { Strides = [1, 1] }), '.'), "arguments that PyTorch does not write"],
        ["not a dict", P('N', '.'), "holds None instead of a dict"],
        ["one tensor", P(V(s_four), '.'), "holds a single tensor"],
        ["a list of tensors", P(V(new List<object?> { s_four }), '.'), "holds a list"],
        ["a dict in itself", P('}', 'q', 0, V("model"), 'h', 0, 's', '.'), "no weights under any"],
    ];

    [TestMethod]
    [DynamicData(nameof(Steps))]
    public void StepsThatPyTorchDoesNotWriteAreRefused(string what, byte[] pickle, string reason)
    {
        _ = what;
        AssertRefused(Archive(pickle), reason);
    }

    public static IEnumerable<object[]> Tensors =>
    [
        ["too long", s_four with { Shape = [5] }, "reaches beyond its storage of 4"],
        ["too far", s_four with { Offset = 1 }, "reaches beyond its storage of 4"],
        ["far stride", s_four with { Shape = [2], Strides = [4] }, "reaches beyond its storage of 4"],
        ["stride of 2^62", s_four with { Shape = [4, 4], Strides = [1L << 62, 1L << 62] }, "reaches beyond its storage of 4"],
        ["offset of 2^63-1", s_four with { Offset = long.MaxValue }, "reaches beyond its storage of 4"],
        ["edges of 2^63-1", s_four with { Shape = [long.MaxValue, long.MaxValue], Strides = [0, 0] }, "too large for any file"],
        ["edges of 2^32", s_four with { Shape = [1L << 32, 1L << 32, 0], Strides = [1, 1, 1] }, "too large for any file"],
        ["expanded", s_four with { Shape = [1_000_000], Strides = [0] }, "shows numbers more than once"],
        ["storage that is not there", s_four with { Key = "9", Count = 4 }, "does not hold"],
        ["path for a key", s_four with { Key = "../../../etc/passwd" }, "does not hold"],
        ["storage of another length", s_four with { Count = 3, Shape = [3] }, "storage '0' has"],
        ["storage of another type", s_four with { Type = "Double", Count = 4 }, "storage '0' has"],
    ];

    [TestMethod]
    [DynamicData(nameof(Tensors))]
    public void TensorsBeyondTheirStoragesAreRefused(string what, object tensor, string reason)
    {
        _ = what;
        AssertRefused(Archive(PickleBytes.Of(new (object?, object?)[] { ("a", tensor) })), reason);
    }

    [TestMethod]
    public void ASmallFileCannotAskForALargeNetwork()
    {
        var file = new TorchFile();
        var all = file.Add(new float[1000], 1000);
        file.Root = Enumerable.Range(0, 20).Select(i => ((object?)$"t{i}", (object?)(all with { Offset = 0 }))).ToArray();
        AssertRefused(file.Zip(), "describes tensors of 80000 bytes");
        file.Root = Enumerable.Range(0, 3).Select(i => ((object?)$"t{i}", (object?)all)).ToArray();
        Checkpoint.Open(new MemoryStream(file.Zip())).Dispose(); // shared weights are no crime
    }

    [TestMethod]
    [DataRow("dicts", new[] { '}' })]
    [DataRow("lists, nested", new[] { ']', ']', 'a' })]
    [DataRow("lists, deep", new[] { ']' })]
    [DataRow("marks", new[] { '(' })]
    [DataRow("sets", new[] { '\u008f' })]
    [DataRow("copies", new[] { '}', '2', '2', '2', '2', '2', '2' })]
    [DataRow("memo", new[] { 'N', '\u0094', '0' })]
    [DataRow("nothing", new[] { 'N', '0' })]
    [DataRow("deep tuples", new[] { ')', '\u0085', '\u0085', '\u0085', '\u0085', '\u0085', '\u0085' })]
    public void BombsAreRefusedBeforeTheyGrow(string what, char[] steps)
    {
        _ = what;
        byte[] pickle = [0x80, 4, .. Enumerable.Repeat(steps.Select(s => (byte)s).ToArray(), 500_000 / steps.Length).SelectMany(s => s), (byte)'.'];
        AssertRefused(Archive(pickle), "out of proportion", most: 30_000_000);
    }

    [TestMethod]
    public void ADictOfPairsCannotBeCopiedWithoutEnd()
    {
        var pairs = new List<object?>(Enumerable.Range(0, 5000).Select(i => (object?)new object?[] { i, null }));
        var pickle = new PickleBytes(remembers: true).Raw(0x80, 2).Value(pairs).Raw((byte)'r', 255, 255, 0, 0);
        for (int i = 0; i < 10_000; i++) pickle.Raw('0').Value(s_ordered).Raw((byte)'j', 255, 255, 0, 0).Raw(0x85).Raw('R');
        AssertRefused(Archive(new PickleBytes().Value(new TorchRaw(pickle)).Raw('.').ToArray()), "out of proportion", most: 30_000_000);
    }

    [TestMethod]
    public void DeepNestingCostsNoStack()
    {
        // 20,000 lists within each other beside a sound tensor: read, and simply not looked into.
        var file = new TorchFile();
        var deep = new PickleBytes();
        for (int i = 0; i < 20_000; i++) deep.Raw(']');
        for (int i = 1; i < 20_000; i++) deep.Raw('a');
        file.Root = new (object?, object?)[] { ("a", file.Add([1, 2], 2)), ("deep", new TorchRaw(deep)) };
        using var source = Checkpoint.Open(new MemoryStream(file.Zip()));
        Assert.HasCount(1, source.Tensors);
    }

    [TestMethod]
    public void ATensorTwiceIsRefused() => Refused(new (object?, object?)[] { ("a", s_four), ("a", s_four) }, 2, "'a' occurs twice");

    private static void Refused(object root, int protocol, string reason)
    {
        AssertRefused(Archive(PickleBytes.Of(root, protocol: protocol)), reason);
        byte[] legacy = [.. PickleBytes.Of(TorchFile.Magic), .. PickleBytes.Of(1001), .. PickleBytes.Of(Array.Empty<(object?, object?)>()),
            .. PickleBytes.Of(root, legacy: true, protocol), .. PickleBytes.Of(new List<object?> { "0" }), .. BitConverter.GetBytes(4L), .. new byte[16]];
        AssertRefused(legacy, reason);
    }

    /// <summary>An archive of this pickle and a storage of four numbers.</summary>
    private static byte[] Archive(byte[] pickle) => new ZipBytes().Build([new("archive/data.pkl", pickle), new("archive/data/0", new byte[16])]);

    private static PickleBytes V(object? value) => new PickleBytes().Value(value);

    private static byte[] P(params object[] parts)
    {
        var pickle = new PickleBytes().Raw(0x80, 2);
        foreach (object part in parts)
        {
            if (part is PickleBytes steps) pickle.Value(new TorchRaw(steps));
            else pickle.Raw((byte)Convert.ToInt32(part));
        }
        return pickle.ToArray();
    }

    internal static void AssertRefused(byte[] file, string reason, long most = 400_000)
    {
        // Once beforehand, so that what is loaded only once does not count.
        Assert.ThrowsExactly<CheckpointFormatException>(() => Checkpoint.Open(new MemoryStream(file)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        string message = "(accepted)";
        try
        {
            Checkpoint.Open(new MemoryStream(file)).Dispose();
        }
        catch (CheckpointFormatException e)
        {
            message = e.Message;
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        StringAssert.Contains(message, reason);
        Assert.IsFalse(message.Any(char.IsControl), "a message shows no control characters");
        Assert.IsLessThan(most, allocated, $"bytes allocated for a file of {file.Length}");
    }
}

using System.Text;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

/// <summary>Archives and legacy files that lie about themselves, are damaged, or are of another kind.</summary>
[TestClass]
public sealed class HostileArchiveTests
{
    private const string PickleName = "archive/data.pkl", StorageName = "archive/data/0";

    private static readonly byte[] s_bomb = ZipBytes.Deflate(new byte[50_000_000]);

    public static IEnumerable<object[]> Lies =>
    [
        ["wrong checksum of the pickle", Change(PickleName, i => i with { Crc = 1 }), "'archive/data.pkl' has the checksum"],
        ["entry twice", Change(StorageName, i => i with { Name = PickleName }), "'archive/data.pkl' occurs twice"],
        ["two pickles", Change(StorageName, i => i with { Name = "other/data.pkl" }), "2 pickles"],
        ["no pickle", Change(PickleName, i => i with { Name = "archive/model.pkl" }), "without the entry 'data.pkl'"],
        ["pickle in a deeper folder", Change(PickleName, i => i with { Name = "../../data.pkl" }), "without the entry 'data.pkl'"],
        ["TorchScript", Change("archive/version", i => i with { Name = "archive/constants.pkl" }), "TorchScript"],
        ["another name in front of the data", Change(PickleName, i => i with { LocalName = "archive/data.abc" }), "says something else"],
        ["another method in front of the data", Change(PickleName, i => i with { LocalMethod = 8 }), "says something else"],
        ["encrypted", Change(PickleName, i => i with { Flags = 1 }), "encrypted"],
        ["another compression", Change(PickleName, i => i with { Method = 12 }), "method 12"],
        ["longer than stored", Change(PickleName, i => i with { Length = 1 << 20 }), "is stored in"],
        ["longer than the file", Change(PickleName, i => i with { Length = 0xFFFFFFFE, StoredLength = 0xFFFFFFFE }), "reaches beyond the directory"],
        ["beyond the directory", Change(PickleName, i => i with { Header = 0xFFFFFFF0 }), "reaches beyond the directory"],
        ["header somewhere else", Change(StorageName, i => i with { Header = 3 }), "overlaps"],
        ["overlapping", Change(StorageName, i => i with { Header = 0 }), "overlaps"],
        ["wide sizes missing", Change(StorageName, i => i with { Length = uint.MaxValue }), "lacks its zip64 sizes"],
        ["bomb", Change(StorageName, i => i with { Stored = s_bomb, Method = 8, LocalMethod = 8, Length = 50_000_000 }), "more than the whole file"],
        ["bomb that does not say so", Change(PickleName, i => i with { Stored = s_bomb, Method = 8, LocalMethod = 8 }), "grows beyond its"],
        ["deflated, too short", Change(PickleName, i => i with { Deflated = true, Length = (uint)i.Data.Length + 9 }), "of "],
        ["deflated garbage", Change(PickleName, i => i with { Stored = [7, 7, 7, 7, 7, 7, 7, 7], Method = 8, LocalMethod = 8 }), "cannot be decompressed"],
        ["deflated, wrong checksum", Change(PickleName, i => i with { Deflated = true, Crc = 5 }), "has the checksum"],
        ["big-endian", File().Zip(byteOrder: "big"), "big-endian"],
        ["some other order", File().Zip(byteOrder: "middle"), "neither 'little' nor 'big'"],
        ["some long order", File().Zip(byteOrder: new string('x', 1000)), "neither 'little' nor 'big'"],
        ["entries too many", File().Zip(archive: new() { Count = 60000 }), "claims 60000 entries"],
        ["entries too few", File().Zip(archive: new() { Count = 1 }), "bytes more than its 1 entries"],
        ["no entries", File().Zip(archive: new() { Count = 0 }), "bytes more than its 0 entries"],
        ["directory too long", File().Zip(archive: new() { DirectoryLength = 0xFFFFFFFE }), "directory"],
        ["directory elsewhere", File().Zip(archive: new() { DirectoryBegin = 5 }), "is said to begin at 5"],
        ["two directories that disagree", File().Zip(archive: new() { Zip64 = true, Wide = r => r[32] = r[24] = 3 }), "disagree"],
        ["wide directory of 2^63", File().Zip(archive: new() { Zip64 = true, Wide = r => r[47] = 0x80 }), "beyond 2⁶³"],
        ["wide directory elsewhere", File().Zip(archive: new() { Zip64 = true, DirectoryBegin = uint.MaxValue, Wide = r => r[48] = 0 }), "is said to begin at"],
        ["split archive", File().Zip(archive: new() { Zip64 = true, Wide = r => r[16] = 1 }), "split archive"],
        ["empty archive", new ZipBytes().Build([]), "without the entry 'data.pkl'"],
        ["only a header", "PK\u0003\u0004"u8.ToArray(), "cut off"],
        ["only an end", "PK\u0005\u0006"u8.ToArray(), "cut off"],
    ];

    [TestMethod]
    [DynamicData(nameof(Lies))]
    public void ArchivesThatLieAreRefused(string what, byte[] file, string reason)
    {
        _ = what;
        HostilePickleTests.AssertRefused(file, reason, most: 500_000);
    }

    [TestMethod]
    public void ADamagedStorageIsFoundWhenItIsRead()
    {
        foreach (bool deflated in (bool[])[false, true])
        {
            using var source = Checkpoint.Open(new MemoryStream(Change(StorageName, i => i with { Crc = 1, Deflated = deflated })));
            var e = Assert.ThrowsExactly<CheckpointFormatException>(() => source.Read("a", new float[4]));
            StringAssert.Contains(e.Message, "'archive/data/0' has the checksum");
            source.Read("b", new float[2]);
        }
    }

    public static IEnumerable<object[]> LegacyLies =>
    [
        ["another magic number", File().Legacy(magic: 5), "not one that torch.save wrote"],
        ["a bare pickle", PickleBytes.Of(new (object?, object?)[] { ("a", 1.5) }), "not one that torch.save wrote"],
        ["big-endian", File().Legacy(littleEndian: false), "big-endian"],
        ["version", (byte[])[.. PickleBytes.Of(TorchFile.Magic), .. PickleBytes.Of(1002), .. new byte[99]], "other than 1001"],
        ["storages in its head", (byte[])[.. PickleBytes.Of(new TorchTensor("0", "Float", 1, 0, [1]), legacy: true)], "its header refers to storages"],
        ["keys that are none", Keys("none"), "no list of storages"],
        ["key that the pickle does not name", Keys(new List<object?> { "0", "9" }), "names one that its pickle does not"],
        ["key twice", Keys(new List<object?> { "0", "0" }), "names '0' twice"],
        ["key missing", Keys(new List<object?> { "0" }), "names storage '1', which the file does not hold"],
        ["another count", Counts(5), "has 5 numbers, and its pickle says 4"],
        ["negative count", Counts(-1), "has -1 numbers"],
        ["count of 2^62", Counts(1L << 62), "has 4611686018427387904 numbers"],
    ];

    [TestMethod]
    [DynamicData(nameof(LegacyLies))]
    public void LegacyFilesThatLieAreRefused(string what, byte[] file, string reason)
    {
        _ = what;
        HostilePickleTests.AssertRefused(file, reason);
    }

    [TestMethod]
    public void OneStorageHasOneLength()
    {
        var file = new TorchFile();
        var all = file.Add(new float[4], 4);
        file.Root = new (object?, object?)[] { ("a", all), ("b", all with { Count = 2, Shape = [2] }) };
        HostilePickleTests.AssertRefused(file.Legacy(), "with 4 and with 2 numbers");
        HostilePickleTests.AssertRefused(file.Zip(), "has 16 bytes, and its pickle says 8");
    }

    [TestMethod]
    public void OtherKindsOfFileAreNamed()
    {
        var tar = new byte[1024];
        Encoding.ASCII.GetBytes("ustar").CopyTo(tar, 257);
        Encoding.ASCII.GetBytes("storages").CopyTo(tar, 0);
        HostilePickleTests.AssertRefused(tar, "tar archive");
        HostilePickleTests.AssertRefused(Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:"), "git lfs pull");
        HostilePickleTests.AssertRefused(Encoding.ASCII.GetBytes("<!DOCTYPE html>"), "web page");
        HostilePickleTests.AssertRefused([], "0 bytes long");
    }

    [TestMethod]
    public void TheContentsTellTheFormat()
    {
        // A safetensors header of 128 bytes begins like a pickle of protocol 0.
        string header = """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""".PadRight(0x80);
        byte[] file = SafetensorsBytes.File(header, 4);
        using (var source = Checkpoint.Open(new MemoryStream(file), name: "a.pth")) Assert.IsInstanceOfType<SafetensorsReader>(source);
        using (var source = Checkpoint.Open(new SafetensorsBytes.Trickle(file, 5), name: "a.pth")) Assert.IsInstanceOfType<SafetensorsReader>(source);
        string path = Path.Combine(Path.GetTempPath(), $"rmeeto-{Guid.NewGuid():N}.safetensors");
        try
        {
            System.IO.File.WriteAllBytes(path, File().Zip());
            using (var source = Checkpoint.Open(path)) Assert.HasCount(2, source.Tensors);
            StringAssert.Contains(Assert.ThrowsExactly<CheckpointMismatchException>(() => VimModel.Load(path)).Message, "plain weights");
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    [TestMethod]
    public void StreamsAreReadFromTheirPositionAndClosedUnlessLeftOpen()
    {
        foreach (byte[] file in (byte[][])[File().Zip(), File().Legacy()])
        {
            foreach (bool leaveOpen in (bool[])[false, true])
            {
                var trickle = new SafetensorsBytes.Trickle(file);
                Checkpoint.Open(trickle, leaveOpen: leaveOpen).Dispose();
                Assert.AreEqual(!leaveOpen, trickle.Closed);
                var stream = new MemoryStream([9, 9, 9, .. file]) { Position = 3 };
                using (var source = Checkpoint.Open(stream, leaveOpen: leaveOpen))
                {
                    var values = new float[4];
                    source.Read("a", values);
                    CollectionAssert.AreEqual(new float[] { 1, 2, 3, 4 }, values);
                }
                Assert.AreEqual(leaveOpen, stream.CanRead);
            }
        }
    }

    [TestMethod]
    public void EveryTruncationIsRefused()
    {
        foreach (byte[] file in (byte[][])[File().Zip(), File().Legacy()])
            for (int length = 0; length < file.Length; length++)
            {
                byte[] cut = file[..length];
                Assert.ThrowsExactly<CheckpointFormatException>(() => Checkpoint.Open(new MemoryStream(cut)), $"cut to {length} of {file.Length}");
            }
    }

    /// <summary>Every flipped bit of a small file, and a fixed number of wilder changes of a training checkpoint: a clear refusal or sound tensors, never
    /// anything else.</summary>
    [TestMethod]
    public void DamageIsSafe()
    {
        foreach (byte[] file in (byte[][])[File().Zip(), File().Legacy()])
            for (int bit = 0; bit < 8 * file.Length; bit++)
            {
                byte[] damaged = [.. file];
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                ReadOrRefuse(damaged);
            }
        var weights = VimInitializer.Create(SmallNets.Config with { Depth = 1 }, seed: 3);
        var training = TorchFile.Training(weights, weights);
        var random = new Random(20241218);
        foreach (byte[] file in (byte[][])[training.Zip(), training.Zip(protocol: 4, change: i => i with { Deflated = true }), training.Legacy()])
            for (int i = 0; i < 1500; i++) ReadOrRefuse(Damaged(file, random));
    }

    /// <summary>The pickle alone is damaged, under a sound checksum, so that the machine itself meets the damage.</summary>
    [TestMethod]
    public void DamagedPicklesAreSafe()
    {
        var weights = VimInitializer.Create(SmallNets.Config with { Depth = 1 }, seed: 3);
        var training = TorchFile.Training(weights, weights);
        var random = new Random(7);
        ZipItem[][] forms = [.. ((int[])[2, 4]).Select(protocol => training.Items(protocol: protocol).Select(WithCrc).ToArray())];
        for (int i = 0; i < 4000; i++)
        {
            byte[] file = new ZipBytes().Build([.. forms[i % 2].Select(Damage)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            ReadOrRefuse(file);
            Assert.IsLessThan(40_000_000L, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        ZipItem WithCrc(ZipItem item) => item.Name == PickleName ? item : item with { Crc = ZipBytes.Crc(item.Data) };
        ZipItem Damage(ZipItem item) => item.Name == PickleName ? item with { Data = Damaged(item.Data, random) } : item;
    }

    private static byte[] Damaged(byte[] file, Random random)
    {
        List<byte> bytes = [.. file];
        for (int change = random.Next(1, 4); change > 0; change--)
        {
            int place = random.Next(bytes.Count), count = Math.Min(random.Next(1, 40), bytes.Count - place);
            switch (random.Next(5))
            {
                case 0: bytes[place] = (byte)random.Next(256); break;
                case 1: bytes.RemoveRange(place, count); break;
                case 2: bytes.InsertRange(place, bytes.GetRange(random.Next(bytes.Count - count + 1), count)); break;
                case 3: bytes.InsertRange(place, Enumerable.Range(0, count).Select(_ => (byte)random.Next(256)).ToArray()); break;
                default: for (int i = 0; i < Math.Min(count, 8); i++) bytes[place + i] = (byte)(random.Next(2) * 255); break;
            }
        }
        return [.. bytes];
    }

    private static void ReadOrRefuse(byte[] file)
    {
        try
        {
            using var source = Checkpoint.Open(new MemoryStream(file), new() { UnknownObjects = (UnknownObjects)(file.Length % 2) });
            foreach (var tensor in source.Tensors)
            {
                Assert.IsLessThanOrEqualTo(4L * file.Length, tensor.Length);
                if (tensor.DataType >= CheckpointDataType.Float16) source.Read(tensor.Name, new float[tensor.Length]);
            }
        }
        catch (Exception e) when (e is CheckpointFormatException or CheckpointMismatchException)
        {
            Assert.IsFalse(e.Message.Any(char.IsControl), "a message shows no control characters");
        }
    }

    private static TorchFile File()
    {
        var file = new TorchFile();
        file.Root = new (object?, object?)[] { ("a", file.Add([1, 2, 3, 4], 2, 2)), ("b", file.Add([5, 6], 2)) };
        return file;
    }

    private static byte[] Change(string name, Func<ZipItem, ZipItem> change) => File().Zip(change: i => i.Name == name ? change(i) : i);

    // The legacy file ends with its keys, then a count of 8 bytes and 16 bytes, then a count and 8 bytes.
    private static byte[] Keys(object keys) =>
        [.. File().Legacy()[..^(24 + 16 + PickleBytes.Of(new List<object?> { "0", "1" }).Length)], .. PickleBytes.Of(keys), .. Storages(4)];

    private static byte[] Counts(long first) => [.. File().Legacy()[..^(24 + 16)], .. Storages(first)];

    private static byte[] Storages(long first) => [.. BitConverter.GetBytes(first), .. new byte[16], .. BitConverter.GetBytes(2L), .. new byte[8]];
}

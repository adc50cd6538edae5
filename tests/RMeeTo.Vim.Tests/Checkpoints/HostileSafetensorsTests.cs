using System.Text;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Tests.Checkpoints;

/// <summary>Files made to mislead: each is refused as a bad file, by a message that says why, with hardly any memory spent.</summary>
[TestClass]
public sealed class HostileSafetensorsTests
{
    public static IEnumerable<object[]> Headers =>
    [
        ["", 0, "starts with nothing"],
        [" {}", 0, "starts with byte 0x20"],
        ["[]", 0, "starts with byte 0x5B"],
        ["{", 0, "not valid JSON"],
        ["{}x", 0, "not valid JSON"],
        ["{}{}", 0, "not valid JSON"],
        ["{}\0\0", 0, "not valid JSON"],
        ["{} ", 1, "more bytes follow"],
        [$$"""{"a":{"shape":{{new string('[', 5000)}}""", 0, "not valid JSON"],
        ["""{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", 4, "not valid JSON"],
        ["""{"a":1}""", 0, "not an object"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' occurs twice"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' occurs twice"],
        ["""{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}""", 4, "two fields 'dtype'"],
        ["""{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype 'F31'"],
        ["""{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}""", 4, "dtype of tensor 'a' is not a text"],
        ["""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "lacks its dtype"],
        ["""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "lacks its shape"],
        ["""{"a":{"dtype":"F32","shape":[1]}}""", 4, "lacks its data_offsets"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"run":"me"}}""", 4, "unknown field 'run'"],
        ["""{"a":{"dtype":"F32","shape":3,"data_offsets":[0,4]}}""", 4, "shape of tensor 'a' is not a list"],
        ["""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "other than a whole number"],
        ["""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "other than a whole number"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}""", 4, "other than a whole number"],
        ["""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4, "more than 8 numbers"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}""", 4, "data_offsets of tensor 'a' are [4]"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 8, "more than 2 numbers"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}""", 8, "must be a begin and an end"],
        ["""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes, data_offsets give it 4"],
        ["""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "too large for any file"],
        ["""{"a":{"dtype":"U8","shape":[9223372036854775807,0,9223372036854775807],"data_offsets":[0,0]}}""", 0, "9223372036854775807"],
        ["""{"a":{"dtype":"U8","shape":[2147483647,2147483647,2147483647,0],"data_offsets":[0,0]}}""", 0, "too large for any file"],
        ["""{"a":{"dtype":"F32","shape":[2305843009213693951],"data_offsets":[0,9223372036854775804]}}""", 4, "9223372036854775804 bytes"],
        ["""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "inside the tensor before it"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "inside the tensor before it"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "a hole from 4 to 8"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "a hole from 0 to 4"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "need 4 bytes and 3 are there"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "more bytes follow"],
        ["""{"__metadata__":["x"]}""", 0, "__metadata__ is not an object"],
        ["""{"__metadata__":{"x":1}}""", 0, "is not a text"],
        ["""{"__metadata__":{"x":"1","x":"2"}}""", 0, "'x' occurs twice"],
        ["""{"__metadata__":{},"__metadata__":{}}""", 0, "'__metadata__' occurs twice"],
    ];

    [TestMethod]
    [DynamicData(nameof(Headers))]
    public void IsRefused(string header, int dataBytes, string reason)
    {
        byte[] file = SafetensorsBytes.File(header, dataBytes);
        AssertRefused(() => new SafetensorsReader(new MemoryStream(file)), reason);
        AssertRefused(() => new SafetensorsReader(new SafetensorsBytes.Trickle(file, 3)), reason);
    }

    [TestMethod]
    [DataRow(1UL << 60)]
    [DataRow(ulong.MaxValue)]
    [DataRow((ulong)long.MaxValue)]
    [DataRow(100_000_001UL)]
    [DataRow(100_000_000UL)]
    [DataRow(90_000_000UL)]
    public void AClaimedHeaderLengthAllocatesNothing(ulong claimed)
    {
        byte[] file = SafetensorsBytes.File("{}", 1000, claimed);
        AssertRefused(() => new SafetensorsReader(new MemoryStream(file)), "claims a header of");
        AssertRefused(() => new SafetensorsReader(new SafetensorsBytes.Trickle(file)), claimed > 100_000_000 ? "claims a header of" : "ends after 1002");
    }

    [TestMethod]
    public void AClaimedTensorLengthAllocatesNothing()
    {
        byte[] file = SafetensorsBytes.File("""{"a":{"dtype":"F32","shape":[500000000],"data_offsets":[0,2000000000]}}""", 1000);
        AssertRefused(() => new SafetensorsReader(new SafetensorsBytes.Trickle(file)), "need 2000000000 bytes and 1000 are there");
    }

    [TestMethod]
    [DataRow("PK\u0003\u0004\u0000\u0000\u0008\u0008\u0000\u0000", "PyTorch")]
    [DataRow("version https://git-lfs.github.com/spec/v1", "git lfs pull")]
    [DataRow("<!DOCTYPE html>", "web page")]
    [DataRow("GIF89a\u00ff\u00ff", "another format; safetensors files and PyTorch checkpoints")]
    public void OtherKindsOfFileAreNamed(string start, string reason)
    {
        byte[] file = Encoding.Latin1.GetBytes(start);
        AssertRefused(() => new SafetensorsReader(new MemoryStream(file)), reason);
    }

    [TestMethod]
    public void EveryTruncationAndEveryFlippedBitIsSafe()
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [new("a", [2, 2], new float[4]), new("b", [3], new float[3])], new Dictionary<string, string> { ["k"] = "v" });
        byte[] file = stream.ToArray();
        for (int length = 0; length < file.Length; length++)
        {
            byte[] cut = file[..length];
            Assert.ThrowsExactly<CheckpointFormatException>(() => new SafetensorsReader(new MemoryStream(cut)), $"cut to {length}");
            Assert.ThrowsExactly<CheckpointFormatException>(() => new SafetensorsReader(new SafetensorsBytes.Trickle(cut)), $"cut to {length}, no length");
        }
        for (int bit = 0; bit < 8 * file.Length; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                using var reader = new SafetensorsReader(new MemoryStream(damaged));
                foreach (var tensor in reader.Tensors)
                    if (tensor.DataType is CheckpointDataType.Float32) reader.Read(tensor.Name, new float[tensor.Length]);
            }
            catch (CheckpointFormatException)
            {
            }
        }
    }

    [TestMethod]
    public void InvalidTextIsABadFile()
    {
        byte[] header = [.. "{\""u8, 0xC3, 0x28, .. "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"u8];
        AssertRefused(() => new SafetensorsReader(new MemoryStream(SafetensorsBytes.File(header, new byte[4]))), "not valid JSON");
        byte[] surrogate = [.. """{"\uD800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"""u8];
        AssertRefused(() => new SafetensorsReader(new MemoryStream(SafetensorsBytes.File(surrogate, new byte[4]))), "not valid JSON");
    }

    private static void AssertRefused(Func<SafetensorsReader> open, string reason)
    {
        Assert.ThrowsExactly<CheckpointFormatException>(open); // once beforehand, so that what is loaded only once does not count
        long before = GC.GetAllocatedBytesForCurrentThread();
        string message;
        try
        {
            open().Dispose();
            message = "(accepted)";
        }
        catch (CheckpointFormatException e)
        {
            message = e.Message;
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        StringAssert.Contains(message, reason);
        Assert.IsLessThan(300_000L, allocated, "bytes allocated for a file of some hundred bytes");
    }
}

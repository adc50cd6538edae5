using System.Buffers.Binary;
using System.Text;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Tests.Checkpoints;

[TestClass]
public sealed class SafetensorsTests
{
    private static readonly float[] Odd = [0f, -0f, 1.5f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, float.MaxValue];

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void RoundTripKeepsEveryBit(bool seekable)
    {
        var random = new Random(1);
        float[] many = [.. Enumerable.Range(0, 40_000).Select(_ => random.NextSingle())];
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [new("odd", [2, 4], Odd), new("none", [3, 0], default), new("one", [], new[] { 7f }), new("mañy", [40_000], many)],
            new Dictionary<string, string> { ["quote"] = "\"\\\n€", ["empty"] = "" });
        byte[] bytes = stream.ToArray();
        Assert.AreEqual(0UL, BinaryPrimitives.ReadUInt64LittleEndian(bytes) % 8, "the data should start at a multiple of 8");

        using var reader = new SafetensorsReader(seekable ? new MemoryStream(bytes) : new SafetensorsBytes.Trickle(bytes));
        CollectionAssert.AreEqual(new[] { "odd", "none", "one", "mañy" }, reader.Tensors.Select(t => t.Name).ToArray());
        Assert.AreEqual("(2, 4)", reader.Find("odd")!.ShapeText);
        Assert.AreEqual("\"\\\n€", reader.Metadata["quote"]);
        Assert.HasCount(2, reader.Metadata);
        AssertSameBits(many, Read(reader, "mañy")); // backwards: the order of reading is free
        AssertSameBits([7f], Read(reader, "one"));
        Assert.IsEmpty(Read(reader, "none"));
        AssertSameBits(Odd, Read(reader, "odd"));
        AssertSameBits(Odd, Read(reader, "odd"));
    }

    [TestMethod]
    [DataRow("F16", 5, 10)]
    [DataRow("BF16", 8, 7)]
    public void SixteenBitsAreConvertedExactly(string type, int exponentBits, int fractionBits)
    {
        byte[] data = new byte[2 * 65536];
        for (int i = 0; i < 65536; i++) BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * i), (ushort)i);
        byte[] header = Encoding.UTF8.GetBytes($$$"""{"h":{"dtype":"{{{type}}}","shape":[65536],"data_offsets":[0,131072]}}""");
        using var reader = new SafetensorsReader(new MemoryStream(SafetensorsBytes.File(header, data)));
        float[] values = Read(reader, "h");
        int top = (1 << exponentBits) - 1, bias = top / 2;
        for (int bits = 0; bits < 65536; bits++)
        {
            double sign = bits >> 15 == 0 ? 1 : -1;
            int exponent = bits >> fractionBits & top, fraction = bits & ((1 << fractionBits) - 1);
            double expected = exponent == 0 ? sign * fraction * Math.Pow(2, 1 - bias - fractionBits)
                : exponent < top ? sign * (1 + fraction * Math.Pow(2, -fractionBits)) * Math.Pow(2, exponent - bias)
                : fraction == 0 ? sign * double.PositiveInfinity : double.NaN;
            Assert.AreEqual(expected, values[bits], $"bits {bits:X4}");
        }
        Assert.IsTrue(float.IsNegative(values[0x8000]), "minus zero");
    }

    [TestMethod]
    public void OtherTypesAreListedButNotReadAsWeights()
    {
        byte[] header = Encoding.UTF8.GetBytes(
            """{"steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}""");
        using var reader = new SafetensorsReader(new MemoryStream(SafetensorsBytes.File(header, [.. new byte[8], .. BitConverter.GetBytes(1 / 3.0)])));
        Assert.AreEqual(CheckpointDataType.Int64, reader.Find("steps")!.DataType);
        var e = Assert.ThrowsExactly<CheckpointFormatException>(() => reader.Read("steps", new float[1]));
        StringAssert.Contains(e.Message, "Int64");
        AssertSameBits([1 / 3f], Read(reader, "d"));
    }

    [TestMethod]
    public void WrongUseIsToldFromWrongFiles()
    {
        byte[] file = SafetensorsBytes.File("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8);
        using var reader = new SafetensorsReader(new MemoryStream(file), "x.safetensors");
        Assert.ThrowsExactly<ArgumentException>(() => reader.Read("b", new float[2]));
        var e = Assert.ThrowsExactly<ArgumentException>(() => reader.Read("a", new float[3]));
        StringAssert.Contains(e.Message, "a has 2 values in x.safetensors and the destination room for 3");
        Assert.IsNull(reader.Find("b"));
        Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.Write(Stream.Null, [new("a", [2], new float[3])]));
        Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.Write(Stream.Null, [new("a", [1], new float[1]), new("a", [1], new float[1])]));
        Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.Write(Stream.Null, [new("__metadata__", [1], new float[1])]));
    }

    [TestMethod]
    public void StreamsAreClosedUnlessLeftOpen()
    {
        byte[] bytes = SafetensorsBytes.File("{}");
        var closed = new SafetensorsBytes.Trickle(bytes);
        new SafetensorsReader(closed).Dispose();
        Assert.IsTrue(closed.Closed);
        var open = new SafetensorsBytes.Trickle(bytes);
        new SafetensorsReader(open, leaveOpen: true).Dispose();
        Assert.IsFalse(open.Closed);
    }

    [TestMethod]
    public void AStreamIsReadFromItsPosition()
    {
        byte[] file = SafetensorsBytes.File(Encoding.UTF8.GetBytes("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"""), BitConverter.GetBytes(2.5f));
        var stream = new MemoryStream([9, 9, 9, .. file]) { Position = 3 };
        using var reader = new SafetensorsReader(stream);
        AssertSameBits([2.5f], Read(reader, "a"));
    }

    [TestMethod]
    public void AFailedWriteLeavesTheOldFile()
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto").FullName;
        try
        {
            string path = Path.Combine(folder, "w.safetensors");
            SafetensorsWriter.Write(path, [new("a", [1], new[] { 1f })]);
            Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.Write(path, [new("a", [2], new[] { 2f })]));
            Assert.ThrowsExactly<IOException>(() => AtomicFile.Write(path, stream =>
            {
                stream.Write(new byte[100_000]);
                throw new IOException("the disk is full");
            }));
            using (var reader = SafetensorsReader.Open(path)) AssertSameBits([1f], Read(reader, "a"));
            Assert.HasCount(1, Directory.GetFiles(folder), "no temporary file may stay");
            string nowhere = Path.Combine(folder, "no such folder", "w.safetensors");
            StringAssert.Contains(Assert.ThrowsExactly<DirectoryNotFoundException>(() => SafetensorsWriter.Write(nowhere, [])).Message, "Make it first");
            SafetensorsWriter.Write(path, [new("a", [1], new[] { 3f })]);
            using (var reader = SafetensorsReader.Open(path)) AssertSameBits([3f], Read(reader, "a"));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    private static float[] Read(SafetensorsReader reader, string name)
    {
        var values = new float[reader.Find(name)!.Length];
        reader.Read(name, values);
        return values;
    }

    private static void AssertSameBits(float[] expected, float[] actual) =>
        CollectionAssert.AreEqual(expected.Select(BitConverter.SingleToInt32Bits).ToArray(), actual.Select(BitConverter.SingleToInt32Bits).ToArray());
}

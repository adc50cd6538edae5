using System.Buffers.Binary;
using System.IO.Compression;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>PNG of every colour type and depth, read through <see cref="MLImage"/>; the files are made here, bit by bit.</summary>
[TestClass]
public sealed class PngContractTests
{
    private const int Width = 11, Height = 10;
    private static readonly int[] Channels = [1, 0, 3, 1, 2, 0, 4];
    private static readonly (int X, int Y, int StepX, int StepY)[] Passes =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    private static int Sample(int x, int y, int channel, int depth) => (x * 5 + y * 3 + channel * 29) * 257 & ((1 << depth) - 1);

    /// <summary>No sample is transparent: alpha is full, so that multiplied and plain colours agree.</summary>
    private static int Value(int x, int y, int channel, int colour, int depth) =>
        colour == 4 && channel == 1 || colour == 6 && channel == 3 ? (1 << depth) - 1 : Sample(x, y, channel, depth);

    [TestMethod]
    [DataRow(0, 1), DataRow(0, 2), DataRow(0, 4), DataRow(0, 8), DataRow(0, 16), DataRow(2, 8), DataRow(2, 16)]
    [DataRow(3, 1), DataRow(3, 2), DataRow(3, 4), DataRow(3, 8), DataRow(4, 8), DataRow(4, 16), DataRow(6, 8), DataRow(6, 16)]
    public void EveryColourTypeAndDepth(int colour, int depth)
    {
        foreach (bool interlaced in (bool[])[false, true])
            using (MLImage image = MLImage.CreateFromStream(new MemoryStream(Encode(colour, depth, interlaced))))
                for (int y = 0; y < Height; y++)
                    for (int x = 0; x < Width; x++)
                        Assert.AreEqual(Expected(x, y, colour, depth), Read(image, x, y), $"({x}, {y}), interlaced: {interlaced}");
    }

    private static (int, int, int) Expected(int x, int y, int colour, int depth)
    {
        int Scale(int value) => depth == 16 ? value >> 8 : value * 255 / ((1 << depth) - 1);
        int first = Value(x, y, 0, colour, depth);
        return colour switch
        {
            3 => (first, 255 - first, first / 2),
            2 or 6 => (Scale(first), Scale(Value(x, y, 1, colour, depth)), Scale(Value(x, y, 2, colour, depth))),
            _ => (Scale(first), Scale(first), Scale(first)),
        };
    }

    private static (int, int, int) Read(MLImage image, int x, int y)
    {
        byte[] bgr = image.GetBGRPixels;
        int at = (y * Width + x) * 3;
        return (bgr[at + 2], bgr[at + 1], bgr[at]);
    }

    [TestMethod]
    public void ColoursAreMultipliedByAlpha()
    {
        byte[] png = File(6, 8, false, 1, 1, [0, 200, 100, 50, 128]);
        using MLImage image = MLImage.CreateFromStream(new MemoryStream(png));
        Assert.AreEqual(128, image.Pixels[3]);
        Assert.IsTrue(Math.Abs(image.Pixels[1] - 50) <= 1, $"green {image.Pixels[1]}");
        Assert.IsTrue(Math.Abs(image.GetBGRPixels[1] - 100) <= 2);
    }

    [TestMethod]
    public void DamageIsAnArgumentError()
    {
        byte[] png = Encode(2, 8, false);
        byte[] header = [.. png], data = [.. png];
        header[24] = 5;
        data[^30] ^= 0x55;
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromStream(new MemoryStream(header)));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromStream(new MemoryStream(data)));
    }

    [TestMethod]
    public void FileThatEndsEarlyGivesTheRowsThatAreThere()
    {
        byte[] png = Encode(2, 8, false);
        using MLImage image = MLImage.CreateFromStream(new MemoryStream(png[..^60]));
        Assert.AreEqual((Width, Height), (image.Width, image.Height));
        Assert.AreEqual(Expected(3, 0, 2, 8), Read(image, 3, 0));
    }

    private static byte[] Encode(int colour, int depth, bool interlaced)
    {
        using var rows = new MemoryStream();
        foreach ((int X, int Y, int StepX, int StepY) pass in interlaced ? Passes : [(0, 0, 1, 1)])
        {
            byte[]? above = null;
            for (int y = pass.Y; y < Height; y += pass.StepY)
                if (pass.X < Width)
                    above = WriteRow(rows, colour, depth, y, pass, above);
        }
        return File(colour, depth, interlaced, Width, Height, rows.ToArray());
    }

    /// <summary>Row by row another filter, so that all five are used.</summary>
    private static byte[] WriteRow(Stream rows, int colour, int depth, int y, (int X, int Y, int StepX, int StepY) pass, byte[]? above)
    {
        var bits = new List<bool>();
        for (int x = pass.X; x < Width; x += pass.StepX)
            for (int channel = 0; channel < Channels[colour]; channel++)
                for (int bit = depth - 1; bit >= 0; bit--)
                    bits.Add((Value(x, y, channel, colour, depth) >> bit & 1) != 0);
        byte[] row = [.. bits.Chunk(8).Select(b => (byte)b.Select((on, i) => on ? 0x80 >> i : 0).Sum())];
        above ??= new byte[row.Length];
        int filter = y / pass.StepY % 5, distance = Math.Max(1, Channels[colour] * depth / 8);
        rows.WriteByte((byte)filter);
        for (int i = 0; i < row.Length; i++)
        {
            int left = i < distance ? 0 : row[i - distance], up = above[i], corner = i < distance ? 0 : above[i - distance];
            int p = left + up - corner;
            int paeth = Math.Abs(p - left) <= Math.Abs(p - up) && Math.Abs(p - left) <= Math.Abs(p - corner) ? left
                : Math.Abs(p - up) <= Math.Abs(p - corner) ? up : corner;
            rows.WriteByte((byte)(row[i] - (filter switch { 0 => 0, 1 => left, 2 => up, 3 => (left + up) / 2, _ => paeth })));
        }
        return row;
    }

    private static byte[] File(int colour, int depth, bool interlaced, int width, int height, byte[] rows)
    {
        using var packed = new MemoryStream();
        using (var deflate = new ZLibStream(packed, CompressionLevel.NoCompression, leaveOpen: true))
            deflate.Write(rows);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = ((byte)depth, (byte)colour, (byte)(interlaced ? 1 : 0));
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        Chunk(file, "IHDR", header);
        if (colour == 3)
            Chunk(file, "PLTE", [.. Enumerable.Range(0, 1 << depth).SelectMany(i => (byte[])[(byte)i, (byte)(255 - i), (byte)(i / 2)])]);
        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static void Chunk(Stream file, string type, byte[] body)
    {
        byte[] content = [.. System.Text.Encoding.ASCII.GetBytes(type), .. body], number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, body.Length);
        file.Write(number);
        file.Write(content);
        uint crc = uint.MaxValue;
        foreach (byte b in content)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
        }
        BinaryPrimitives.WriteUInt32BigEndian(number, ~crc);
        file.Write(number);
    }
}

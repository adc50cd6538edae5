using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

/// <summary>An entry of an archive, and where its directory lies about it.</summary>
internal sealed record ZipItem(string Name, byte[] Data)
{
    public bool Deflated { get; init; }

    /// <summary>Sizes and checksum only behind the data, as PyTorch writes them.</summary>
    public bool Descriptor { get; init; }

    public byte[]? Stored { get; init; }

    public string? LocalName { get; init; }

    public uint? Crc { get; init; }

    public uint? Length { get; init; }

    public uint? StoredLength { get; init; }

    public uint? Header { get; init; }

    public ushort Flags { get; init; }

    public ushort? Method { get; init; }

    public ushort? LocalMethod { get; init; }

    /// <summary>Sizes and place in the zip64 field of the directory.</summary>
    public bool Wide { get; init; }
}

/// <summary>Writes zip archives byte by byte, sound or not.</summary>
internal sealed class ZipBytes
{
    public bool Zip64 { get; init; }

    public string Comment { get; init; } = "";

    public int? Count { get; init; }

    public uint? DirectoryLength { get; init; }

    public uint? DirectoryBegin { get; init; }

    /// <summary>Changes the zip64 record (56 bytes), for lies.</summary>
    public Action<byte[]>? Wide { get; init; }

    public byte[] Build(IReadOnlyList<ZipItem> items)
    {
        var file = new MemoryStream();
        var directory = new MemoryStream();
        foreach (var item in items) Add(item, file, directory);
        long begin = file.Length;
        file.Write(directory.ToArray());
        if (Zip64) AddWideEnd(file, items.Count, directory.Length, begin);
        ushort count = (ushort)(Count ?? items.Count);
        byte[] place = [.. U32(DirectoryLength ?? (uint)directory.Length), .. U32(DirectoryBegin ?? (uint)begin)];
        byte[] comment = Encoding.ASCII.GetBytes(Comment);
        file.Write([.. "PK\x05\x06"u8, 0, 0, 0, 0, .. U16(count), .. U16(count), .. place, .. U16((ushort)comment.Length), .. comment]);
        return file.ToArray();
    }

    private static readonly uint[] s_remainders = [.. Enumerable.Range(0, 256).Select(i => Remainder((uint)i))];

    /// <summary>The checksum of zip archives, byte by byte.</summary>
    public static uint Crc(byte[] bytes)
    {
        uint crc = ~0u;
        foreach (byte b in bytes) crc = s_remainders[(byte)(crc ^ b)] ^ crc >> 8;
        return ~crc;
    }

    private static uint Remainder(uint crc)
    {
        for (int bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB88320;
        return crc;
    }

    public static byte[] Deflate(byte[] bytes)
    {
        var packed = new MemoryStream();
        using (var stream = new DeflateStream(packed, CompressionLevel.SmallestSize)) stream.Write(bytes);
        return packed.ToArray();
    }

    private static void Add(ZipItem item, MemoryStream file, MemoryStream directory)
    {
        byte[] stored = item.Stored ?? (item.Deflated ? Deflate(item.Data) : item.Data);
        byte[] name = Encoding.UTF8.GetBytes(item.Name), local = Encoding.UTF8.GetBytes(item.LocalName ?? item.Name);
        ushort method = item.Method ?? (ushort)(item.Deflated ? 8 : 0), flags = (ushort)(item.Flags | (item.Descriptor ? 8 : 0));
        uint crc = item.Crc ?? Crc(item.Data), header = item.Header ?? (uint)file.Length;
        uint length = item.Length ?? (uint)item.Data.Length, storedLength = item.StoredLength ?? (uint)stored.Length;
        byte[] sizes = item.Descriptor ? new byte[12] : [.. U32(crc), .. U32((uint)stored.Length), .. U32((uint)item.Data.Length)];
        byte[] padding = new byte[4 + (int)(-(file.Length + 34 + local.Length) & 15)]; // data at a multiple of 16, as PyTorch aligns them
        (padding[0], padding[1], padding[2]) = ((byte)'F', (byte)'B', (byte)(padding.Length - 4));
        byte[] start = [.. "PK\x03\x04"u8, .. U16(20), .. U16(flags), .. U16(item.LocalMethod ?? method), 0, 0, 0, 0, .. sizes];
        file.Write([.. start, .. U16((ushort)local.Length), .. U16((ushort)padding.Length), .. local, .. padding, .. stored]);
        if (item.Descriptor) file.Write([.. "PK\x07\x08"u8, .. U32(crc), .. U32((uint)stored.Length), .. U32((uint)item.Data.Length)]);
        byte[] extra = item.Wide ? [7, 0, 1, 0, 99, 1, 0, 24, 0, .. U64(length), .. U64(storedLength), .. U64(header)] : [];
        if (item.Wide) (length, storedLength, header) = (uint.MaxValue, uint.MaxValue, uint.MaxValue);
        directory.Write([.. "PK\x01\x02"u8, .. U16(20), .. U16(20), .. U16(flags), .. U16(method), 0, 0, 0, 0,
            .. U32(crc), .. U32(storedLength), .. U32(length),
            .. U16((ushort)name.Length), .. U16((ushort)extra.Length), .. U16(0), 0, 0, 0, 0, 0, 0, 0, 0, .. U32(header), .. name, .. extra]);
    }

    private void AddWideEnd(MemoryStream file, long count, long length, long begin)
    {
        byte[] record = [.. "PK\x06\x06"u8, .. U64(44), .. U16(45), .. U16(45), .. U32(0), .. U32(0),
            .. U64(count), .. U64(count), .. U64(length), .. U64(begin)];
        long place = file.Length;
        Wide?.Invoke(record);
        file.Write(record);
        file.Write([.. "PK\x06\x07"u8, .. U32(0), .. U64(place), .. U32(1)]);
    }

    private static byte[] U16(ushort number) => BitConverter.GetBytes(number);

    private static byte[] U32(uint number) => BitConverter.GetBytes(number);

    private static byte[] U64(long number)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        return bytes;
    }
}

using System.Buffers.Binary;
using System.Text;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>One entry of a zip archive, as the central directory says.</summary>
/// <param name="Name">Its name; only ever compared, never used as a path.</param>
/// <param name="Deflated">Whether it is compressed.</param>
/// <param name="HasDescriptor">Whether sizes and checksum follow the data, so that the local header need not have them.</param>
/// <param name="Crc">Checksum of the uncompressed bytes.</param>
/// <param name="StoredLength">Bytes in the archive.</param>
/// <param name="Length">Bytes when uncompressed.</param>
/// <param name="Header">Place of its local header.</param>
internal sealed record ZipEntry(string Name, bool Deflated, bool HasDescriptor, uint Crc, long StoredLength, long Length, long Header)
{
    /// <summary>Where the next entry or the directory begins; its data end before that.</summary>
    public long End { get; set; }
}

/// <summary>
/// The central directory of a zip archive (APPNOTE.TXT 6.3, zip64 included), checked: names differ, entries do not overlap, none is longer than the
/// archive, and nothing is encrypted or split.
/// </summary>
internal sealed class ZipDirectory
{
    private const int EndBytes = 22, LocatorBytes = 20, End64Bytes = 56, EntryBytes = 46, MaxCommentBytes = 0xFFFF;
    private const int MaxEntries = 1 << 17, MaxDirectoryBytes = 1 << 26;
    private const uint EndSignature = 0x06054b50, LocatorSignature = 0x07064b50, End64Signature = 0x06064b50, EntrySignature = 0x02014b50;

    private readonly Dictionary<string, ZipEntry> _entries = [];
    private readonly long _length;
    private readonly TorchFault _fault;

    /// <summary>Reads the directory.</summary>
    /// <param name="archive">The whole archive.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">The directory is not there or not sound.</exception>
    public ZipDirectory(StoredBytes archive, TorchFault fault)
    {
        (_length, _fault) = (archive.Length, fault);
        var (count, begin, length) = FindDirectory(archive);
        if (count > MaxEntries || length > MaxDirectoryBytes || count > length / EntryBytes)
            throw fault.Bad($"its directory claims {count} entries in {length} bytes; at most {Math.Min(MaxEntries, length / EntryBytes)} are possible");
        var bytes = new byte[length];
        archive.Position = begin;
        archive.Fill(bytes);
        ReadOnlySpan<byte> rest = bytes;
        for (long i = 0; i < count; i++)
        {
            var entry = ReadEntry(ref rest, begin);
            if (!_entries.TryAdd(entry.Name, entry)) throw fault.Bad($"entry {SafetensorsHeader.Show(entry.Name)} occurs twice");
        }
        if (!rest.IsEmpty) throw fault.Bad($"its directory has {rest.Length} bytes more than its {count} entries");
        CheckPlaces(begin);
    }

    /// <summary>All entries.</summary>
    public IReadOnlyCollection<ZipEntry> Entries => _entries.Values;

    /// <summary>The entry of that name, or null.</summary>
    public ZipEntry? Find(string name) => _entries.GetValueOrDefault(name);

    private (long Count, long Begin, long Length) FindDirectory(StoredBytes archive)
    {
        var tail = new byte[(int)Math.Min(_length, EndBytes + MaxCommentBytes + LocatorBytes)];
        archive.Position = _length - tail.Length;
        archive.Fill(tail);
        int end = FindEnd(tail);
        if (end < 0) throw _fault.CutOff("the directory at the end of the archive is missing");
        var record = tail.AsSpan(end);
        long place = _length - tail.Length + end;
        (long count, long length, long begin) = (U16(record, 10), U32(record, 12), U32(record, 16));
        if (U16(record, 4) != 0 || U16(record, 6) != 0 || U16(record, 8) != count) throw _fault.Refused("is one part of a split archive", "Pass the whole.");
        if (end >= LocatorBytes && U32(tail.AsSpan(end - LocatorBytes), 0) == LocatorSignature)
        {
            long place64 = Number(tail.AsSpan(end - LocatorBytes), 8);
            var wide = ReadEnd64(archive, place64, place - LocatorBytes);
            if (!Agrees(count, 0xFFFF, wide.Count) || !Agrees(length, uint.MaxValue, wide.Length) || !Agrees(begin, uint.MaxValue, wide.Begin))
                throw _fault.Bad($"its two directory records disagree: {count} entries in {length} bytes at {begin}, "
                    + $"and {wide.Count} in {wide.Length} at {wide.Begin}");
            (count, begin, length) = wide;
            place = place64;
        }
        if (length > place || begin != place - length)
            throw _fault.Bad($"its directory of {length} bytes is said to begin at {begin}, and the record behind it is at {place}");
        return (count, begin, length);
    }

    // The last place where the record's comment ends with the file; the signature may occur in a comment too.
    private static int FindEnd(byte[] tail)
    {
        for (int i = tail.Length - EndBytes; i >= 0; i--)
            if (U32(tail.AsSpan(i), 0) == EndSignature && U16(tail.AsSpan(i), 20) == tail.Length - i - EndBytes) return i;
        return -1;
    }

    private (long Count, long Begin, long Length) ReadEnd64(StoredBytes archive, long place, long locator)
    {
        if (place > locator - End64Bytes) throw _fault.Bad($"its zip64 directory record is said to be at {place}, which is not in front of {locator}");
        Span<byte> record = stackalloc byte[End64Bytes];
        archive.Position = place;
        archive.Fill(record);
        if (U32(record, 0) != End64Signature) throw _fault.Bad($"there is no zip64 directory record at {place}");
        if (U32(record, 16) != 0 || U32(record, 20) != 0 || Number(record, 24) != Number(record, 32))
            throw _fault.Refused("is one part of a split archive", "Pass the whole.");
        return (Number(record, 32), Number(record, 48), Number(record, 40));
    }

    private static bool Agrees(long narrow, long saturated, long wide) => narrow == saturated || narrow == wide;

    private ZipEntry ReadEntry(ref ReadOnlySpan<byte> rest, long directory)
    {
        if (rest.Length < EntryBytes || U32(rest, 0) != EntrySignature) throw _fault.Bad("its directory is damaged");
        int nameLength = U16(rest, 28), extraLength = U16(rest, 30), commentLength = U16(rest, 32), flags = U16(rest, 8), method = U16(rest, 10);
        int whole = EntryBytes + nameLength + extraLength + commentLength;
        if (rest.Length < whole) throw _fault.Bad("its directory is damaged");
        string name = Encoding.UTF8.GetString(rest.Slice(EntryBytes, nameLength)), shown = SafetensorsHeader.Show(name);
        (long stored, long length, long header) = (U32(rest, 20), U32(rest, 24), U32(rest, 42));
        Widen(rest.Slice(EntryBytes + nameLength, extraLength), shown, ref length, ref stored, ref header);
        if ((flags & 1) != 0) throw _fault.Refused($"has the encrypted entry {shown}", "Pass the archive without encryption.");
        if (method is not (0 or 8))
            throw _fault.Refused($"has entry {shown} compressed by method {method}; stored and deflated ones are read",
                "Save it with torch.save, which compresses nothing.");
        if (method == 0 && stored != length) throw _fault.Bad($"entry {shown} is stored in {stored} bytes and has {length}");
        if (header > directory || stored > directory - header)
            throw _fault.Bad($"entry {shown} of {stored} bytes at {header} reaches beyond the directory at {directory}");
        if (length > _length)
            throw _fault.Refused($"has entry {shown} that grows from {stored} to {length} bytes, more than the whole file of {_length}",
                "Save it with torch.save, which compresses nothing.");
        var entry = new ZipEntry(name, method == 8, (flags & 8) != 0, U32(rest, 16), stored, length, header);
        rest = rest[whole..];
        return entry;
    }

    // The zip64 field has those numbers only that do not fit their places, in this order.
    private void Widen(ReadOnlySpan<byte> extra, string shown, ref long length, ref long stored, ref long header)
    {
        if (length != uint.MaxValue && stored != uint.MaxValue && header != uint.MaxValue) return;
        for (; extra.Length >= 4; extra = extra[Math.Min(extra.Length, 4 + U16(extra, 2))..])
        {
            if (U16(extra, 0) != 1) continue;
            var numbers = extra[4..Math.Min(extra.Length, 4 + U16(extra, 2))];
            if (length == uint.MaxValue) length = Next(ref numbers, shown);
            if (stored == uint.MaxValue) stored = Next(ref numbers, shown);
            if (header == uint.MaxValue) header = Next(ref numbers, shown);
            return;
        }
        throw _fault.Bad($"entry {shown} lacks its zip64 sizes");
    }

    private long Next(ref ReadOnlySpan<byte> numbers, string shown)
    {
        if (numbers.Length < 8) throw _fault.Bad($"entry {shown} lacks its zip64 sizes");
        long number = Number(numbers, 0);
        numbers = numbers[8..];
        return number;
    }

    private void CheckPlaces(long directory)
    {
        ZipEntry? before = null;
        foreach (var entry in _entries.Values.OrderBy(e => e.Header))
        {
            if (before != null) CheckEnd(before, entry.Header);
            before = entry;
        }
        if (before != null) CheckEnd(before, directory);
    }

    private void CheckEnd(ZipEntry entry, long next)
    {
        if (next - entry.Header < ZipContainer.LocalHeaderBytes + entry.StoredLength)
            throw _fault.Bad($"entry {SafetensorsHeader.Show(entry.Name)} of {entry.StoredLength} bytes at {entry.Header} overlaps what begins at {next}");
        entry.End = next;
    }

    private long Number(ReadOnlySpan<byte> bytes, int place)
    {
        long number = BinaryPrimitives.ReadInt64LittleEndian(bytes[place..]);
        return number >= 0 ? number : throw _fault.Bad("its directory has a number beyond 2⁶³");
    }

    private static int U16(ReadOnlySpan<byte> bytes, int place) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[place..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int place) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[place..]);
}

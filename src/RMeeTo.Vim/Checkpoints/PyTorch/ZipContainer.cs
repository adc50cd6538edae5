using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>
/// The format of <c>torch.save</c> since PyTorch 1.6: a zip archive with, in one folder of any name, the pickle <c>data.pkl</c>, the storages
/// <c>data/KEY</c> and, since 2.0, <c>byteorder</c>. PyTorch stores everything uncompressed; archives that were packed anew may be deflated.
/// </summary>
internal sealed class ZipContainer : ITorchContainer
{
    /// <summary>Bytes of a local header without name and extra field.</summary>
    public const int LocalHeaderBytes = 30;

    private const string PickleName = "data.pkl";
    private const uint LocalSignature = 0x04034b50;
    private const int ChunkBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly long _start, _length;
    private readonly TorchFault _fault;
    private readonly ZipDirectory _directory;
    private readonly string _folder;
    private readonly HashSet<string> _sound = [];
    private (string Name, StoredBytes Bytes)? _inflated;
    private byte[]? _chunk;

    /// <summary>Reads the directory and runs the pickle.</summary>
    /// <param name="stream">Can seek; read from its position to its end.</param>
    /// <param name="unknown">What to do about unknown objects.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, refused, or of another format.</exception>
    public ZipContainer(Stream stream, UnknownObjects unknown, TorchFault fault)
    {
        (_stream, _start, _length, _fault) = (stream, stream.Position, stream.Length - stream.Position, fault);
        _directory = new(new(stream, _start, _length, fault), fault);
        var pickle = FindPickle();
        _folder = pickle.Name[..^PickleName.Length];
        CheckByteOrder();
        var bytes = Open(pickle);
        bytes.Position = 0;
        var budget = new PickleBudget(_length, fault);
        var input = new PickleInput(bytes, bytes.Length, budget, fault);
        Root = new PickleMachine(input, budget, new(unknown, budget, fault), id => PersistentIds.Storage(id, _length, fault), fault).Run();
    }

    /// <inheritdoc/>
    public object? Root { get; }

    /// <inheritdoc/>
    public void Check(PickledStorage storage) => Find(storage);

    /// <inheritdoc/>
    public StoredBytes Open(PickledStorage storage) => Open(Find(storage));

    private ZipEntry Find(PickledStorage storage)
    {
        string shown = SafetensorsHeader.Show(storage.Key);
        var entry = _directory.Find($"{_folder}data/{storage.Key}") ?? throw _fault.Bad($"its pickle names storage {shown}, which the archive does not hold");
        long bytes = PersistentIds.Bytes(storage);
        return entry.Length == bytes ? entry : throw _fault.Bad($"storage {shown} has {entry.Length} bytes, and its pickle says {bytes}");
    }

    private ZipEntry FindPickle()
    {
        var found = _directory.Entries.Where(e => IsPickle(e.Name)).ToList();
        if (found.Count == 0)
            throw _fault.Refused($"is a zip archive without the entry '{PickleName}' that PyTorch's files have",
                "Unpack it, if it holds a checkpoint as a file; else get the right one.");
        if (found.Count > 1) throw _fault.Bad($"it holds {found.Count} pickles named '{PickleName}'");
        if (_directory.Find(found[0].Name[..^PickleName.Length] + "constants.pkl") != null)
            throw _fault.Refused("is a TorchScript program, not a checkpoint",
                "Save its weights in Python: torch.save(torch.jit.load('FILE').state_dict(), 'weights.pth').");
        return found[0];
    }

    // In a folder of any name, or in none.
    private static bool IsPickle(string name) =>
        name.EndsWith(PickleName, StringComparison.Ordinal) && name.IndexOf('/') == name.Length - PickleName.Length - 1;

    private void CheckByteOrder()
    {
        if (_directory.Find(_folder + "byteorder") is not { } entry) return;
        Span<byte> order = stackalloc byte["little".Length];
        if (entry.Length <= order.Length) order = order[..(int)entry.Length];
        var bytes = Open(entry);
        bytes.Position = 0;
        bytes.Fill(order);
        if (entry.Length == order.Length && order.SequenceEqual("little"u8)) return;
        if (entry.Length == order.Length && order.SequenceEqual("big"u8))
            throw _fault.Refused("was written on a big-endian machine, whose numbers are not read",
                "Load it with PyTorch on an ordinary machine and save it again.");
        throw _fault.Bad("its entry 'byteorder' says neither 'little' nor 'big'");
    }

    /// <summary>The bytes of an entry, whose checksum was verified.</summary>
    private StoredBytes Open(ZipEntry entry)
    {
        if (_inflated is { } last && last.Name == entry.Name) return last.Bytes;
        var stored = new StoredBytes(_stream, _start + DataBegin(entry), entry.StoredLength, _fault);
        if (entry.Deflated)
        {
            var inflated = Inflate(entry, stored);
            _inflated = (entry.Name, inflated);
            return inflated;
        }
        if (!_sound.Contains(entry.Name))
        {
            CheckSum(entry, stored);
            _sound.Add(entry.Name);
        }
        return stored;
    }

    /// <summary>Where an entry's data begin, behind a local header that agrees with the directory.</summary>
    private long DataBegin(ZipEntry entry)
    {
        string shown = SafetensorsHeader.Show(entry.Name);
        var archive = new StoredBytes(_stream, _start, _length, _fault);
        Span<byte> header = stackalloc byte[LocalHeaderBytes];
        archive.Position = entry.Header;
        archive.Fill(header);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != LocalSignature) throw _fault.Bad($"entry {shown} has no header at {entry.Header}");
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(header[26..]), extraLength = BinaryPrimitives.ReadUInt16LittleEndian(header[28..]);
        long begin = entry.Header + LocalHeaderBytes + nameLength + extraLength;
        if (begin > entry.End - entry.StoredLength)
            throw _fault.Bad($"entry {shown} of {entry.StoredLength} bytes at {begin} overlaps what begins at {entry.End}");
        var name = new byte[nameLength];
        archive.Fill(name);
        uint stored = BinaryPrimitives.ReadUInt32LittleEndian(header[18..]);
        bool same = Encoding.UTF8.GetString(name) == entry.Name && BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) == (entry.Deflated ? 8 : 0)
            && (entry.HasDescriptor || stored is uint.MaxValue || stored == entry.StoredLength);
        return same ? begin : throw _fault.Bad($"the header of entry {shown} says something else than the directory");
    }

    private StoredBytes Inflate(ZipEntry entry, StoredBytes stored)
    {
        string shown = SafetensorsHeader.Show(entry.Name);
        if (entry.Length > Array.MaxLength)
            throw _fault.Refused($"has the compressed entry {shown} of {entry.Length} bytes, more than can be held",
                "Save it with torch.save, which compresses nothing.");
        var all = new byte[entry.Length]; // never more than the file's own length: the directory has seen to that
        stored.Position = 0;
        try
        {
            using var inflater = new DeflateStream(stored, CompressionMode.Decompress);
            int got = inflater.ReadAtLeast(all, all.Length, throwOnEndOfStream: false);
            if (got < all.Length) throw _fault.CutOff($"entry {shown} has {got} of {all.Length} bytes");
            if (inflater.ReadByte() >= 0) throw _fault.Bad($"entry {shown} grows beyond its {all.Length} bytes");
        }
        catch (InvalidDataException e)
        {
            throw _fault.Bad($"entry {shown} cannot be decompressed", e);
        }
        var inflated = new StoredBytes(new MemoryStream(all, writable: false), 0, all.Length, _fault);
        CheckSum(entry, inflated);
        return inflated;
    }

    private void CheckSum(ZipEntry entry, StoredBytes bytes)
    {
        byte[] chunk = _chunk ??= new byte[ChunkBytes];
        uint crc = 0;
        bytes.Position = 0;
        for (long left = bytes.Length; left > 0; left -= chunk.Length)
        {
            var part = chunk.AsSpan(0, (int)Math.Min(left, chunk.Length));
            bytes.Fill(part);
            crc = Crc32.Append(crc, part);
        }
        if (crc != entry.Crc) throw _fault.Bad($"entry {SafetensorsHeader.Show(entry.Name)} has the checksum {crc:X8} and should have {entry.Crc:X8}");
    }
}

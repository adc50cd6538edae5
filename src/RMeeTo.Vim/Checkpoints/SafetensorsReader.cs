using System.Buffers.Binary;
using System.Text;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// Reads a safetensors file: 8 bytes of little-endian header length, a JSON header, then the tensors' bytes (https://github.com/huggingface/safetensors).
/// The whole header is checked before any tensor is read, and nothing larger than the file is ever allocated, whatever the file claims.
/// </summary>
/// <remarks>A stream that can seek is read on demand and must stay open; one that cannot is read to its end at once and kept in memory.
/// Stricter than other readers where that costs no good file: unknown fields, ranks above 8 and more than 65,536 tensors are refused.</remarks>
public sealed class SafetensorsReader : ICheckpointSource
{
    private const int ChunkBytes = 1 << 16;

    private readonly Dictionary<string, SafetensorsHeader.Entry> _entries;
    private readonly Stream _data;
    private readonly long _dataStart;
    private readonly bool _leaveOpen;
    private byte[]? _chunk;

    /// <summary>Reads and checks the header.</summary>
    /// <param name="stream">Starts with the header length and ends with the last tensor. A stream that can seek is read from its current position.</param>
    /// <param name="name">What messages call it; "The stream" unless given.</param>
    /// <param name="leaveOpen">False: <see cref="Dispose"/> closes the stream.</param>
    /// <exception cref="CheckpointFormatException">This is not a sound safetensors file; the message says what is wrong with it.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read.</exception>
    public SafetensorsReader(Stream stream, string? name = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead) throw new ArgumentException("This stream cannot be read; open it for reading.", nameof(stream));
        Name = name ?? "The stream";
        _leaveOpen = leaveOpen;
        long? length = stream.CanSeek ? stream.Length - stream.Position : null;
        long headerLength = ReadHeaderLength(stream, length);
        var header = SafetensorsHeader.Parse(ReadHeader(stream, headerLength), Name);
        if (length is long all)
        {
            CheckEnd(header.DataLength, all - SafetensorsHeader.LengthBytes - headerLength);
            (_data, _dataStart) = (stream, stream.Position);
        }
        else
        {
            _data = ReadAll(stream, header.DataLength);
            if (!leaveOpen) stream.Dispose();
        }
        Metadata = header.Metadata;
        Tensors = [.. header.Entries.Select(e => e.Tensor)];
        _entries = header.Entries.ToDictionary(e => e.Tensor.Name);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<CheckpointTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="CheckpointFormatException">This is not a sound safetensors file.</exception>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public static SafetensorsReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            return new SafetensorsReader(stream, Path.GetFileName(path));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public CheckpointTensor? Find(string name) => _entries.TryGetValue(name, out var entry) ? entry.Tensor : null;

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        StoredNumbers.CheckRead(Name, name, Find(name), destination.Length);
        var entry = _entries[name];
        _data.Position = _dataStart + entry.Begin;
        StoredNumbers.Read(Fill, entry.Tensor.DataType, destination, ref _chunk);
    }

    /// <summary>Closes the stream, unless it was to be left open.</summary>
    public void Dispose()
    {
        if (!_leaveOpen) _data.Dispose();
    }

    private long ReadHeaderLength(Stream stream, long? length)
    {
        Span<byte> bytes = stackalloc byte[SafetensorsHeader.LengthBytes];
        int got = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (got < bytes.Length) throw new CheckpointFormatException($"{Name} is {got} bytes long; a safetensors file has at least {bytes.Length}. Get a fresh copy of the file.");
        ulong claimed = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        long most = Math.Min(SafetensorsHeader.MaxBytes, (length ?? long.MaxValue) - bytes.Length);
        if (claimed > (ulong)most)
            throw new CheckpointFormatException($"{Name} is not a safetensors file: it claims a header of {claimed} bytes where at most {most} are possible. {Guess(bytes)}");
        return (long)claimed;
    }

    private static string Guess(ReadOnlySpan<byte> start)
    {
        string text = Encoding.Latin1.GetString(start);
        if (text.StartsWith("PK\x03\x04", StringComparison.Ordinal)) return "It starts like a zip archive, as PyTorch's .pth files do; open it with Checkpoint.Open.";
        if (text.StartsWith("version ", StringComparison.Ordinal)) return "It starts like a Git LFS pointer; run 'git lfs pull' to get the file itself.";
        if (text.TrimStart().StartsWith('<')) return "It starts like a web page; download the file itself.";
        return "It is cut off, or of another format; safetensors files and PyTorch checkpoints (.pth) can be read.";
    }

    private byte[] ReadHeader(Stream stream, long length)
    {
        // Grows with what really arrives: a stream without a length may claim anything.
        var header = new byte[Math.Min(length, ChunkBytes)];
        for (int have = 0; ;)
        {
            int got = stream.ReadAtLeast(header.AsSpan(have), header.Length - have, throwOnEndOfStream: false);
            have += got;
            if (have < header.Length) throw CutOff($"its header of {length} bytes ends after {have}");
            if (have == length) return header;
            Array.Resize(ref header, (int)Math.Min(length, 2L * have));
        }
    }

    private MemoryStream ReadAll(Stream stream, long length)
    {
        if (length > Array.MaxLength)
            throw new CheckpointFormatException($"{Name} holds {length} bytes of tensors; from a stream that cannot seek at most {Array.MaxLength} can be read. Pass a file.");
        var all = new MemoryStream((int)Math.Min(length, ChunkBytes));
        _chunk = new byte[ChunkBytes];
        int got;
        while ((got = stream.Read(_chunk)) > 0)
        {
            all.Write(_chunk, 0, got);
            if (all.Length > length) break;
        }
        CheckEnd(length, all.Length);
        return all;
    }

    private void CheckEnd(long needed, long found)
    {
        if (found < needed) throw CutOff($"its tensors need {needed} bytes and {found} are there");
        if (found > needed) throw new CheckpointFormatException($"{Name} is not a sound safetensors file: more bytes follow after the {needed} bytes of its tensors. Get a fresh copy of the file.");
    }

    private CheckpointFormatException CutOff(string what) => new($"{Name} is cut off: {what}. Copy or download it again.");

    private void Fill(Span<byte> bytes)
    {
        if (_data.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length) throw CutOff("it became shorter while it was read");
    }
}

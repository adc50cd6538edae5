using System.Buffers.Binary;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Opens a file of weights of any format that this library reads. The format is told from the first bytes, never from the file's extension.</summary>
/// <example><code>
/// using var source = Checkpoint.Open("vim_t_midclstok_76p1acc.pth");
/// VimWeights weights = VimCheckpoint.Load(source, VimCheckpoint.InferConfig(source));
/// </code></example>
public static class Checkpoint
{
    // Up to the mark of a tar archive; every other format shows itself earlier.
    private const int StartBytes = TarMarkPlace + 5, TarMarkPlace = 257;

    /// <summary>Opens a safetensors file or a PyTorch checkpoint (<c>.pth</c>, <c>.pt</c>; of the zip format or the one before it).</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="options">Which weights of it; <see cref="CheckpointWeights.Model"/> unless given.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, refused, or of another format; the message says what is wrong with it.</exception>
    /// <exception cref="CheckpointMismatchException">It does not hold the set of weights that <paramref name="options"/> ask for.</exception>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public static ICheckpointSource Open(string path, CheckpointReadOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        // Unbuffered: the readers have buffers of their own.
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            return Open(stream, options, Path.GetFileName(path));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The same for a stream, from its position to its end. One that can seek is read on demand; one that cannot is read to its end at once and
    /// kept in memory.</summary>
    /// <param name="stream">Any stream that can be read.</param>
    /// <param name="options">Which weights of it; <see cref="CheckpointWeights.Model"/> unless given.</param>
    /// <param name="name">What messages call it; "The stream" unless given.</param>
    /// <param name="leaveOpen">False: disposing the source closes the stream.</param>
    /// <exception cref="CheckpointFormatException">The stream is damaged, refused, or of another format; the message says what is wrong with it.</exception>
    /// <exception cref="CheckpointMismatchException">It does not hold the set of weights that <paramref name="options"/> ask for.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read.</exception>
    public static ICheckpointSource Open(Stream stream, CheckpointReadOptions? options = null, string? name = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead) throw new ArgumentException("This stream cannot be read; open it for reading.", nameof(stream));
        Span<byte> start = stackalloc byte[StartBytes];
        long position = stream.CanSeek ? stream.Position : 0;
        start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        if (stream.CanSeek) stream.Position = position;
        else stream = new PrefixedStream(start.ToArray(), stream, leaveOpen);
        if (start.Length == StartBytes && start[TarMarkPlace..].SequenceEqual("ustar"u8))
            throw new CheckpointFormatException($"{name ?? "The stream"} is a tar archive, as PyTorch wrote before version 0.1.10 or as folders are packed. "
                + "Unpack it, if it holds a checkpoint as a file; else load it with the PyTorch that wrote it and save it again.");
        bool pyTorch = !IsSafetensors(start) && PyTorchReader.Recognises(start);
        return pyTorch ? new PyTorchReader(stream, name, options, leaveOpen) : new SafetensorsReader(stream, name, leaveOpen);
    }

    // The length of the header, then the header's first byte.
    private static bool IsSafetensors(ReadOnlySpan<byte> start) =>
        start.Length > SafetensorsHeader.LengthBytes && start[SafetensorsHeader.LengthBytes] == (byte)'{'
            && BinaryPrimitives.ReadUInt64LittleEndian(start) <= SafetensorsHeader.MaxBytes;
}

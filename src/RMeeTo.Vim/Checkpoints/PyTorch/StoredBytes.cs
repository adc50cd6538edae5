namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>A stretch of a file, or of memory where it was compressed, as a stream of its own. Several may share one file: each goes to its own place
/// before it reads.</summary>
/// <param name="file">The file; stays open.</param>
/// <param name="begin">Its first byte in the file.</param>
/// <param name="length">Its bytes.</param>
/// <param name="fault">For messages.</param>
internal sealed class StoredBytes(Stream file, long begin, long length, TorchFault fault) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get; set; }

    /// <summary>Fills a span with the next bytes.</summary>
    /// <exception cref="CheckpointFormatException">There are not so many left.</exception>
    public void Fill(Span<byte> bytes)
    {
        if (bytes.Length > length - Position) throw fault.CutOff($"a part of {length} bytes is read up to byte {Position + bytes.Length}");
        if (this.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length) throw fault.CutOff("it became shorter while it was read");
    }

    public override int Read(Span<byte> buffer)
    {
        int most = (int)Math.Min(buffer.Length, Math.Max(0, length - Position));
        if (most == 0) return 0;
        file.Position = begin + Position;
        int got = file.Read(buffer[..most]);
        Position += got;
        return got;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) =>
        Position = offset + (origin switch { SeekOrigin.Begin => 0, SeekOrigin.Current => Position, _ => length });

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

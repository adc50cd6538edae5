using System.Buffers.Binary;
using System.Text;

namespace RMeeTo.Vim.Tests.Checkpoints;

/// <summary>Safetensors files by hand, sound or not, and streams that behave badly.</summary>
internal static class SafetensorsBytes
{
    /// <summary>A file of this header and that many data bytes.</summary>
    public static byte[] File(string header, int dataBytes = 0, ulong? claimedLength = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        return File(json, new byte[dataBytes], claimedLength);
    }

    /// <summary>A file of this header and data.</summary>
    public static byte[] File(byte[] header, byte[] data, ulong? claimedLength = null)
    {
        var bytes = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, claimedLength ?? (ulong)header.Length);
        header.CopyTo(bytes, 8);
        data.CopyTo(bytes, 8 + header.Length);
        return bytes;
    }

    /// <summary>A stream like that of a zip entry or a socket: no length, no seeking, a few bytes at a time.</summary>
    public sealed class Trickle(byte[] bytes, int most = 1000) : MemoryStream(bytes)
    {
        /// <summary>Whether the reader closed it.</summary>
        public bool Closed { get; private set; }

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, most)]);

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, most));

        protected override void Dispose(bool disposing)
        {
            Closed = true;
            base.Dispose(disposing);
        }
    }
}

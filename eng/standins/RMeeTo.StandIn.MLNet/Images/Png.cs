using System.Buffers.Binary;
using System.IO.Compression;

namespace RMeeTo.StandIn;

/// <summary>Reads PNG: every colour type and depth, interlaced or not. A file that ends early gives the rows that are there, as in ML.NET.</summary>
internal sealed class PngReader
{
    private static readonly int[] ChannelsOf = [1, 0, 3, 1, 2, 0, 4];

    /// <summary>First column, first row, column step and row step of the seven passes of an interlaced image.</summary>
    private static readonly (int X, int Y, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    private readonly MemoryStream _data = new();
    private int _width, _height, _depth, _colour, _channels;
    private bool _interlaced, _complete;
    private byte[] _palette = [], _transparent = [], _rgba;

    public static bool IsPng(ReadOnlySpan<byte> file) => file.StartsWith(PngWriter.Signature);

    /// <summary>Null where the file is damaged.</summary>
    public static (int Width, int Height, byte[] Rgba)? Decode(byte[] file)
    {
        var png = new PngReader();
        return png.ReadChunks(file) && png._data.Length > 0 && (png._colour != 3 || png._palette.Length >= 3) && png.ReadPixels()
            ? (png._width, png._height, png._rgba) : null;
    }

    private bool ReadChunks(byte[] file)
    {
        for (int at = PngWriter.Signature.Length; at + 8 <= file.Length && !_complete;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            if (length < 0)
                return false;
            bool whole = length <= file.Length - at - 12, isCritical = (file[at + 4] & 0x20) == 0;
            if (whole && isCritical && Crc32.Of(file.AsSpan(at + 4, length + 4)) != BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at + 8 + length)))
                return false;
            byte[] body = file.AsSpan(at + 8, Math.Min(length, file.Length - at - 8)).ToArray();
            switch (System.Text.Encoding.ASCII.GetString(file, at + 4, 4))
            {
                case "IHDR" when !ReadHeader(body): return false;
                case "PLTE": _palette = body; break;
                case "tRNS": _transparent = body; break;
                case "IDAT": _data.Write(body); break;
                case "IEND": _complete = true; break;
            }
            at = whole ? at + 12 + length : file.Length;
        }
        return _width > 0;
    }

    private bool ReadHeader(byte[] body)
    {
        if (body is not [_, _, _, _, _, _, _, _, var depth, var colour and (0 or 2 or 3 or 4 or 6), 0, 0, var interlaced and (0 or 1)])
            return false;
        (_width, _height) = (BinaryPrimitives.ReadInt32BigEndian(body), BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(4)));
        (_depth, _colour, _channels, _interlaced) = (depth, colour, ChannelsOf[colour], interlaced == 1);
        bool depthFits = depth is 8 || depth is 16 && colour != 3 || depth is 1 or 2 or 4 && colour is 0 or 3;
        return depthFits && _width > 0 && _height > 0 && (long)_width * _height <= int.MaxValue / 8;
    }

    private bool ReadPixels()
    {
        _data.Position = 0;
        using var inflated = new ZLibStream(_data, CompressionMode.Decompress);
        try
        {
            foreach (var pass in _interlaced ? Adam7 : [(0, 0, 1, 1)])
                if (pass.X < _width && !ReadPass(inflated, pass))
                    return !_complete;
            return true;
        }
        catch (InvalidDataException)
        {
            return !_complete && _rgba is not null;
        }
    }

    /// <summary>False where the data end before the pass does.</summary>
    private bool ReadPass(Stream inflated, (int X, int Y, int StepX, int StepY) pass)
    {
        int columns = (_width - pass.X + pass.StepX - 1) / pass.StepX, bits = _channels * _depth;
        int bytes = (int)(((long)columns * bits + 7) / 8);
        byte[] row = new byte[bytes + 1], above = new byte[bytes + 1];
        for (int y = pass.Y; y < _height; y += pass.StepY)
        {
            if (inflated.ReadAtLeast(row, row.Length, throwOnEndOfStream: false) < row.Length)
                return false;
            if (row[0] > 4)
                throw new InvalidDataException("unknown filter");
            _rgba ??= new byte[_width * _height * 4];
            Unfilter(row[0], row.AsSpan(1), above.AsSpan(1), Math.Max(1, bits / 8));
            for (int i = 0; i < columns; i++)
                WritePixel(row.AsSpan(1), i * _channels, _rgba.AsSpan((y * _width + pass.X + i * pass.StepX) * 4, 4));
            (row, above) = (above, row);
        }
        return true;
    }

    private static void Unfilter(int filter, Span<byte> row, ReadOnlySpan<byte> above, int distance)
    {
        for (int i = 0; i < row.Length && filter != 0; i++)
        {
            int left = i >= distance ? row[i - distance] : 0, up = above[i], corner = i >= distance ? above[i - distance] : 0;
            row[i] += (byte)(filter switch { 1 => left, 2 => up, 3 => (left + up) / 2, _ => Paeth(left, up, corner) });
        }
    }

    private static int Paeth(int left, int up, int corner)
    {
        int estimate = left + up - corner, a = Math.Abs(estimate - left), b = Math.Abs(estimate - up), c = Math.Abs(estimate - corner);
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }

    private void WritePixel(ReadOnlySpan<byte> row, int index, Span<byte> rgba)
    {
        int first = Sample(row, index);
        if (_colour == 3)
        {
            _palette.AsSpan(Math.Min(first, _palette.Length / 3 - 1) * 3, 3).CopyTo(rgba);
            rgba[3] = first < _transparent.Length ? _transparent[first] : (byte)255;
            return;
        }
        int colours = _channels < 3 ? 1 : 3;
        bool transparent = _transparent.Length >= 2 * colours;
        for (int c = 0; c < 3; c++)
        {
            int sample = c < colours ? Sample(row, index + c) : first;
            rgba[c] = Scale(sample);
            transparent = transparent && (c >= colours || BinaryPrimitives.ReadUInt16BigEndian(_transparent.AsSpan(2 * c)) == sample);
        }
        rgba[3] = _channels > colours ? Scale(Sample(row, index + colours)) : transparent ? (byte)0 : (byte)255;
    }

    private int Sample(ReadOnlySpan<byte> row, int index)
    {
        if (_depth == 16)
            return BinaryPrimitives.ReadUInt16BigEndian(row[(2 * index)..]);
        int bit = index * _depth;
        return row[bit / 8] >> (8 - _depth - bit % 8) & ((1 << _depth) - 1);
    }

    private byte Scale(int sample) => (byte)(_depth == 16 ? sample >> 8 : sample * 255 / ((1 << _depth) - 1));
}

/// <summary>Writes PNG, eight bits a channel, with alpha.</summary>
internal static class PngWriter
{
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    public static byte[] Encode(int width, int height, byte[] rgba)
    {
        using var packed = new MemoryStream();
        using (var deflate = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            for (int y = 0; y < height; y++)
            {
                deflate.WriteByte(0);
                deflate.Write(rgba, y * width * 4, width * 4);
            }

        byte[] header = [0, 0, 0, 0, 0, 0, 0, 0, 8, 6, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        return [.. Signature, .. Chunk("IHDR"u8, header), .. Chunk("IDAT"u8, packed.ToArray()), .. Chunk("IEND"u8, [])];
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, byte[] body)
    {
        byte[] chunk = [0, 0, 0, 0, .. type, .. body, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(chunk, body.Length);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(chunk.Length - 4), Crc32.Of(chunk.AsSpan(4, body.Length + 4)));
        return chunk;
    }
}

internal static class Crc32
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(i =>
        Enumerable.Range(0, 8).Aggregate((uint)i, (value, _) => (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1))];

    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte b in data)
            crc = Table[(crc ^ b) & 0xFF] ^ (crc >> 8);
        return ~crc;
    }
}

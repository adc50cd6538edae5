using System.Buffers.Binary;
using System.IO.Compression;

namespace RMeeTo.StandIn;

/// <summary>Reads PNG: every colour type and bit depth, interlaced or not. A file that ends early gives the rows that are there, as ML.NET's decoder does.</summary>
internal static class PngReader
{
    private static readonly byte[] Signature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];
    private static readonly int[] Channels = [1, 0, 3, 1, 2, 0, 4];

    /// <summary>First column, first row, column step and row step of the seven passes of an interlaced image.</summary>
    private static readonly (int X, int Y, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    private sealed class Image
    {
        public int Width, Height, Depth, Colour;
        public bool Interlaced;
        public byte[] Palette = [], Transparency = [], Rgba = [];
        public int BitsPerPixel => Channels[Colour] * Depth;
    }

    public static bool IsPng(ReadOnlySpan<byte> file) => file.StartsWith(Signature);

    /// <summary>Null where the file is damaged.</summary>
    public static (int Width, int Height, byte[] Rgba)? Decode(byte[] file)
    {
        var image = new Image();
        using var data = new MemoryStream();
        bool complete = false;
        for (int at = Signature.Length; at + 8 <= file.Length && !complete;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            ReadOnlySpan<byte> type = file.AsSpan(at + 4, 4);
            if (length < 0)
                return null;
            bool whole = length <= file.Length - at - 12;
            ReadOnlySpan<byte> body = file.AsSpan(at + 8, Math.Min(length, file.Length - at - 8));
            bool isCritical = (type[0] & 0x20) == 0;
            if (whole && isCritical && Crc32.Of(file.AsSpan(at + 4, length + 4)) != BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at + 8 + length)))
                return null;

            if (type.SequenceEqual("IHDR"u8) && (!whole || !ReadHeader(body, image)))
                return null;
            if (type.SequenceEqual("PLTE"u8))
                image.Palette = body.ToArray();
            if (type.SequenceEqual("tRNS"u8))
                image.Transparency = body.ToArray();
            if (type.SequenceEqual("IDAT"u8))
                data.Write(body);
            complete = type.SequenceEqual("IEND"u8);
            at = whole ? at + 12 + length : file.Length;
        }
        if (image.Width == 0 || data.Length == 0 || image.Colour == 3 && image.Palette.Length < 3)
            return null;
        data.Position = 0;
        return ReadPixels(image, data, complete) ? (image.Width, image.Height, image.Rgba) : null;
    }

    private static bool ReadHeader(ReadOnlySpan<byte> body, Image image)
    {
        if (body.Length != 13)
            return false;
        image.Width = BinaryPrimitives.ReadInt32BigEndian(body);
        image.Height = BinaryPrimitives.ReadInt32BigEndian(body[4..]);
        (image.Depth, image.Colour, image.Interlaced) = (body[8], body[9], body[12] == 1);
        bool depthFits = image.Colour switch
        {
            0 => image.Depth is 1 or 2 or 4 or 8 or 16,
            3 => image.Depth is 1 or 2 or 4 or 8,
            2 or 4 or 6 => image.Depth is 8 or 16,
            _ => false,
        };
        return depthFits && image.Width > 0 && image.Height > 0 && (long)image.Width * image.Height <= int.MaxValue / 8 && body[10] == 0 && body[11] == 0 && body[12] <= 1;
    }

    private static bool ReadPixels(Image image, Stream data, bool complete)
    {
        using var inflated = new ZLibStream(data, CompressionMode.Decompress);
        try
        {
            if (!image.Interlaced)
                return ReadPass(image, inflated, (0, 0, 1, 1), image.Width, image.Height) || !complete;
            foreach ((int X, int Y, int StepX, int StepY) pass in Adam7)
            {
                int width = (image.Width - pass.X + pass.StepX - 1) / pass.StepX, height = (image.Height - pass.Y + pass.StepY - 1) / pass.StepY;
                if (width > 0 && height > 0 && !ReadPass(image, inflated, pass, width, height))
                    return !complete;
            }
            return true;
        }
        catch (InvalidDataException)
        {
            return !complete && image.Rgba.Length > 0;
        }
    }

    /// <summary>False where the data end before the pass does.</summary>
    private static bool ReadPass(Image image, Stream inflated, (int X, int Y, int StepX, int StepY) pass, int width, int height)
    {
        int bytes = (int)(((long)width * image.BitsPerPixel + 7) / 8), distance = Math.Max(1, image.BitsPerPixel / 8);
        byte[] row = new byte[bytes + 1], above = new byte[bytes + 1];
        for (int y = 0; y < height; y++)
        {
            if (inflated.ReadAtLeast(row, row.Length, throwOnEndOfStream: false) < row.Length)
                return false;
            if (row[0] > 4)
                throw new InvalidDataException("unknown filter");
            if (image.Rgba.Length == 0)
                image.Rgba = new byte[image.Width * image.Height * 4];
            Unfilter(row[0], row.AsSpan(1), above.AsSpan(1), distance);
            for (int x = 0; x < width; x++)
                WritePixel(image, row.AsSpan(1), x, image.Rgba.AsSpan(((pass.Y + y * pass.StepY) * image.Width + pass.X + x * pass.StepX) * 4, 4));
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

    private static void WritePixel(Image image, ReadOnlySpan<byte> row, int x, Span<byte> rgba)
    {
        int channels = Channels[image.Colour];
        int Sample(ReadOnlySpan<byte> samples, int channel)
        {
            int index = x * channels + channel;
            if (image.Depth == 8)
                return samples[index];
            if (image.Depth == 16)
                return BinaryPrimitives.ReadUInt16BigEndian(samples[(2 * index)..]);
            int perByte = 8 / image.Depth;
            return (samples[index / perByte] >> (8 - image.Depth * (index % perByte + 1))) & ((1 << image.Depth) - 1);
        }
        byte Scale(int value) => (byte)(image.Depth == 16 ? value >> 8 : value * 255 / ((1 << image.Depth) - 1));

        ReadOnlySpan<byte> transparent = image.Transparency;
        int first = Sample(row, 0);
        switch (image.Colour)
        {
            case 3:
                Span<byte> entry = image.Palette.AsSpan();
                int colour = Math.Min(first, image.Palette.Length / 3 - 1) * 3;
                (rgba[0], rgba[1], rgba[2]) = (entry[colour], entry[colour + 1], entry[colour + 2]);
                rgba[3] = first < transparent.Length ? transparent[first] : (byte)255;
                break;
            case 0 or 4:
                rgba[..3].Fill(Scale(first));
                rgba[3] = image.Colour == 4 ? Scale(Sample(row, 1)) : transparent.Length >= 2 && BinaryPrimitives.ReadUInt16BigEndian(transparent) == first ? (byte)0 : (byte)255;
                break;
            default:
                int green = Sample(row, 1), blue = Sample(row, 2);
                (rgba[0], rgba[1], rgba[2]) = (Scale(first), Scale(green), Scale(blue));
                bool keyed = image.Colour == 2 && transparent.Length >= 6 && BinaryPrimitives.ReadUInt16BigEndian(transparent) == first
                    && BinaryPrimitives.ReadUInt16BigEndian(transparent[2..]) == green && BinaryPrimitives.ReadUInt16BigEndian(transparent[4..]) == blue;
                rgba[3] = image.Colour == 6 ? Scale(Sample(row, 3)) : keyed ? (byte)0 : (byte)255;
                break;
        }
    }
}

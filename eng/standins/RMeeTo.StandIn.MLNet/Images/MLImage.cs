using RMeeTo.StandIn;

namespace Microsoft.ML.Data;

public enum MLPixelFormat
{
    Unknown,
    Bgra32,
    Rgba32,
}

/// <summary>An image of four bytes a pixel, colours multiplied by alpha. Files are decoded to <see cref="MLPixelFormat.Bgra32"/>.</summary>
public sealed class MLImage : IDisposable
{
    private readonly int _width, _height;
    private readonly MLPixelFormat _format;
    private byte[] _pixels;
    private string _tag;

    private MLImage(int width, int height, MLPixelFormat format, byte[] pixels) => (_width, _height, _format, _pixels) = (width, height, format, pixels);

    public static MLImage CreateFromStream(Stream imageStream)
    {
        ArgumentNullException.ThrowIfNull(imageStream);
        using var bytes = new MemoryStream();
        imageStream.CopyTo(bytes);
        return Decode(bytes.ToArray()) ?? throw new ArgumentException("The stream holds no image that can be decoded.", nameof(imageStream));
    }

    public static MLImage CreateFromFile(string imagePath) => (File.Exists(imagePath) ? Decode(File.ReadAllBytes(imagePath)) : null)
        ?? throw new ArgumentException($"'{imagePath}' is no image that can be decoded.", nameof(imagePath));

    public static MLImage CreateFromPixels(int width, int height, MLPixelFormat pixelFormat, ReadOnlySpan<byte> imagePixelData)
    {
        if (pixelFormat is not (MLPixelFormat.Bgra32 or MLPixelFormat.Rgba32) || width <= 0 || height <= 0 || imagePixelData.Length != width * height * 4)
            throw new ArgumentException($"{imagePixelData.Length} bytes are no image of {width}x{height} pixels in format {pixelFormat}.");
        return new MLImage(width, height, pixelFormat, imagePixelData.ToArray());
    }

    public int Width => Alive(_width);
    public int Height => Alive(_height);
    public MLPixelFormat PixelFormat => Alive(_format);
    public ReadOnlySpan<byte> Pixels => Alive(_pixels);

    public string Tag
    {
        get => Alive(_tag);
        set => _tag = Alive(value);
    }

    /// <summary>Blue, green and red of every pixel, no longer multiplied by alpha.</summary>
    public byte[] GetBGRPixels => [.. Straight().Chunk(4).SelectMany(rgba => (byte[])[rgba[2], rgba[1], rgba[0]])];

    public void Save(string imagePath)
    {
        if (!imagePath.EndsWith(".png", StringComparison.OrdinalIgnoreCase))
            throw new NotSupportedException($"The stand-in for ML.NET writes PNG only, not '{imagePath}'.");
        File.WriteAllBytes(imagePath, PngWriter.Encode(_width, _height, Straight()));
    }

    public void Dispose() => _pixels = null;

    private T Alive<T>(T value) => _pixels is null ? throw new InvalidOperationException("The image is disposed.") : value;

    /// <summary>What the bytes are is decided by their first few, never by a file's name. Null where they are no image.</summary>
    private static MLImage Decode(byte[] file)
    {
        if ((PngReader.IsPng(file) ? PngReader.Decode(file) : JpegCodec.IsJpeg(file) ? JpegCodec.Decode(file) : null) is not var (width, height, p))
            return null;
        for (int i = 0; i < p.Length; i += 4)
        {
            int alpha = p[i + 3];
            byte Multiply(int value) => (byte)((value * alpha + 127) / 255);
            (p[i], p[i + 1], p[i + 2]) = (Multiply(p[i + 2]), Multiply(p[i + 1]), Multiply(p[i]));
        }
        return new MLImage(width, height, MLPixelFormat.Bgra32, p);
    }

    /// <summary>Red, green, blue, alpha, with the colours no longer multiplied by alpha.</summary>
    private byte[] Straight()
    {
        byte[] source = Alive(_pixels), rgba = new byte[source.Length];
        int red = _format == MLPixelFormat.Rgba32 ? 0 : 2;
        for (int i = 0; i < rgba.Length; i += 4)
        {
            int alpha = source[i + 3];
            byte Divide(byte value) => alpha is 0 ? (byte)0 : (byte)Math.Min(255, (value * 255 + alpha / 2) / alpha);
            (rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]) = (Divide(source[i + red]), Divide(source[i + 1]), Divide(source[i + 2 - red]), (byte)alpha);
        }
        return rgba;
    }
}

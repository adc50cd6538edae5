using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Images;

/// <summary>One number for each colour.</summary>
/// <param name="Red">For red.</param>
/// <param name="Green">For green.</param>
/// <param name="Blue">For blue.</param>
public readonly record struct ChannelValues(float Red, float Green, float Blue);

/// <summary>
/// From bytes to the numbers that a network takes: (byte / 255 − mean) / std for each colour, in single precision and in this order, as torchvision's ToTensor
/// and Normalize do.
/// </summary>
public sealed class PixelNormalization : IEquatable<PixelNormalization>
{
    private readonly float[] _table;

    /// <summary>A normalisation by mean and standard deviation.</summary>
    /// <param name="mean">Mean of each colour, on the scale 0 … 1.</param>
    /// <param name="std">Standard deviation of each colour, on the scale 0 … 1; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">A mean is not finite, or a standard deviation is not positive and finite.</exception>
    public PixelNormalization(ChannelValues mean, ChannelValues std)
    {
        Mean = mean;
        Std = std;
        _table = new float[3 * 256];
        Fill(0, mean.Red, std.Red, nameof(ChannelValues.Red));
        Fill(1, mean.Green, std.Green, nameof(ChannelValues.Green));
        Fill(2, mean.Blue, std.Blue, nameof(ChannelValues.Blue));
    }

    /// <summary>Mean (0.485, 0.456, 0.406), standard deviation (0.229, 0.224, 0.225): what all Vim, VideoMamba and DeiT weights expect.</summary>
    public static PixelNormalization ImageNet { get; } = new(new ChannelValues(0.485f, 0.456f, 0.406f), new ChannelValues(0.229f, 0.224f, 0.225f));

    /// <summary>Mean of each colour, on the scale 0 … 1.</summary>
    public ChannelValues Mean { get; }

    /// <summary>Standard deviation of each colour, on the scale 0 … 1.</summary>
    public ChannelValues Std { get; }

    /// <summary>[3, 256]: for each colour the number that each byte becomes.</summary>
    internal ReadOnlySpan<float> Table => _table;

    /// <summary>Normalises an image.</summary>
    /// <param name="rgb">[n, 3], red, green, blue interleaved.</param>
    /// <param name="output">[3, n], one plane a colour.</param>
    /// <exception cref="ArgumentException">The two lengths differ or are no multiple of 3.</exception>
    public void Apply(ReadOnlySpan<byte> rgb, Span<float> output)
    {
        if (rgb.Length != output.Length || rgb.Length % 3 != 0)
            throw new ArgumentException($"The image has {rgb.Length} bytes and the output {output.Length} numbers; both must be 3 times the number of pixels.", nameof(output));
        var n = output.Length / 3;
        ReadOnlySpan<float> red = _table.AsSpan(0, 256), green = _table.AsSpan(256, 256), blue = _table.AsSpan(512, 256);
        Span<float> reds = output[..n], greens = output.Slice(n, n), blues = output.Slice(2 * n, n);
        var pixels = MemoryMarshal.Cast<byte, Rgb>(rgb);
        for (var i = 0; i < pixels.Length; i++)
        {
            var pixel = pixels[i];
            reds[i] = red[pixel.Red];
            greens[i] = green[pixel.Green];
            blues[i] = blue[pixel.Blue];
        }
    }

    /// <inheritdoc/>
    public bool Equals(PixelNormalization? other) => other is not null && Mean == other.Mean && Std == other.Std;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PixelNormalization);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mean, Std);

    /// <inheritdoc/>
    public override string ToString() => $"PixelNormalization {{ Mean = {Mean}, Std = {Std} }}";

    private void Fill(int channel, float mean, float std, string name)
    {
        if (!float.IsFinite(mean))
            throw new ArgumentOutOfRangeException(nameof(mean), mean, $"The mean of {name} is {mean}; it must be a finite number on the scale 0 … 1.");
        if (!(std > 0) || !float.IsFinite(std))
            throw new ArgumentOutOfRangeException(nameof(std), std, $"The standard deviation of {name} is {std}; it must be positive and finite, on the scale 0 … 1.");
        for (var value = 0; value < 256; value++)
            _table[256 * channel + value] = (value / 255f - mean) / std;
    }

    private readonly record struct Rgb(byte Red, byte Green, byte Blue);
}

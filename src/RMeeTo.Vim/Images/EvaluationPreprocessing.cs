using System.Buffers;

namespace RMeeTo.Vim.Images;

/// <summary>
/// How an image becomes network input when there is nothing random about it: resize, centre crop, normalise. The defaults are those under which the published
/// accuracies were measured.
/// </summary>
/// <remarks>
/// Square input of size s: the shorter edge becomes ⌊s / <see cref="CropRatio"/>⌋, the longer one ⌊shorter · long / short⌋, bicubic as in
/// <see cref="PillowResize"/>; the crop begins at (edge − s) / 2, halves rounded to the even number; equal to torchvision's Resize and CenterCrop on Pillow
/// images. Rectangular input: the image is scaled, its proportions kept, so that it just covers ⌊height / ratio⌋ × ⌊width / ratio⌋; for a square this is the
/// same rule. Source: DeiT and Vim evaluation code, timm 0.4.12.
/// </remarks>
public sealed record EvaluationPreprocessing
{
    internal const int MaxInput = 8192;

    private static readonly FrameCutter<(EvaluationPreprocessing Evaluation, int Crop, int Crops)> s_cropView =
        static (frame, s, rgb) => s.Evaluation.Crop(frame, rgb, s.Crop, s.Crops);

    /// <summary>Rows of the network input, 1 … 8192.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int ImageHeight { get; init => field = CheckInput(value, nameof(ImageHeight)); } = 224;

    /// <summary>Columns of the network input, 1 … 8192.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int ImageWidth { get; init => field = CheckInput(value, nameof(ImageWidth)); } = 224;

    /// <summary>Part of the resized image's shorter edge that the crop keeps, 0.1 … 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double CropRatio
    {
        get;
        init => field = value is >= 0.1 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(CropRatio), value, $"CropRatio is {value}; it must be in 0.1 … 1.");
    } = 0.875;

    /// <summary>Mean and standard deviation of the colours.</summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    public PixelNormalization Normalization { get; init => field = value ?? throw new ArgumentNullException(nameof(Normalization)); } = PixelNormalization.ImageNet;

    /// <summary>Mean of each colour, on the scale 0 … 1.</summary>
    public ChannelValues Mean => Normalization.Mean;

    /// <summary>Standard deviation of each colour, on the scale 0 … 1.</summary>
    public ChannelValues Std => Normalization.Std;

    /// <summary>Numbers of an input: 3 · <see cref="ImageHeight"/> · <see cref="ImageWidth"/>.</summary>
    public int OutputLength => 3 * ImageHeight * ImageWidth;

    /// <summary>
    /// The shorter edge that an image needs to fill the input without being enlarged, whichever way it lies. Reducing larger images to it beforehand
    /// (<see cref="ImageStoreOptions.ShorterEdge"/>) changes no byte of a square input.
    /// </summary>
    public int ShorterEdge => Math.Max(CoverHeight, CoverWidth);

    private int CoverHeight => (int)Math.Floor(ImageHeight / CropRatio);

    private int CoverWidth => (int)Math.Floor(ImageWidth / CropRatio);

    /// <summary>Prepares one image. Safe on many threads at once; scratch memory comes from the shared array pool.</summary>
    /// <param name="image">[h, w, 3], of any size.</param>
    /// <param name="output">[3, <see cref="ImageHeight"/>, <see cref="ImageWidth"/>], normalised.</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or <paramref name="output"/> has another length.</exception>
    public void Apply(RgbImage image, Span<float> output)
    {
        CheckOutput(output.Length);
        var rgb = ArrayPool<byte>.Shared.Rent(OutputLength);
        try
        {
            var pixels = rgb.AsSpan(0, OutputLength);
            Crop(image, pixels);
            Normalization.Apply(pixels, output);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rgb);
        }
    }

    /// <summary>Prepares one view of a clip. Safe on many threads at once for different clips; scratch memory comes from the shared array pool.</summary>
    /// <param name="clip">Any number of frames of any one size.</param>
    /// <param name="frames">T, frames that the network takes (<see cref="VimConfig.Frames"/>), at least 1.</param>
    /// <param name="views">All views.</param>
    /// <param name="view">Which of them, 0 … <see cref="ClipViews.Count"/> − 1.</param>
    /// <param name="output">[3, T, <see cref="ImageHeight"/>, <see cref="ImageWidth"/>], normalised.</param>
    /// <remarks>As one image, frame by frame, with the same crop; the published clips are resized to a <see cref="CropRatio"/> of 1. Several crops lie evenly
    /// along the longer edge, the first and the last at its ends.</remarks>
    /// <exception cref="ArgumentException">A frame is empty or of another size than the first, or <paramref name="output"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="frames"/> or <paramref name="view"/> is out of range.</exception>
    public void Apply(VideoClip clip, int frames, ClipViews views, int view, Span<float> output)
    {
        ArgumentNullException.ThrowIfNull(clip);
        ArgumentNullException.ThrowIfNull(views);
        Apply(new ClipFrames(clip), frames, views, view, output);
    }

    internal void Apply<TSource>(TSource source, int frames, ClipViews views, int view, Span<float> output) where TSource : IFrameSource
    {
        Span<int> chosen = frames is >= 1 and <= 64 ? stackalloc int[frames] : new int[Math.Max(1, frames)];
        Choose(source.Count, frames, views, view, chosen);
        ClipInput.Fill(source, chosen, this, s_cropView, (this, view % views.Crops, views.Crops), output);
    }

    /// <summary>Prepares one view of a clip without normalising: [T, H, W, 3].</summary>
    internal void Crop(VideoClip clip, int frames, ClipViews views, int view, Span<byte> rgb) => Crop(new ClipFrames(clip), frames, views, view, rgb);

    /// <inheritdoc cref="Crop(VideoClip, int, ClipViews, int, Span{byte})"/>
    internal void Crop<TSource>(TSource source, int frames, ClipViews views, int view, Span<byte> rgb) where TSource : IFrameSource
    {
        Span<int> chosen = frames is >= 1 and <= 64 ? stackalloc int[frames] : new int[Math.Max(1, frames)];
        Choose(source.Count, frames, views, view, chosen);
        ClipInput.Cut(source, chosen, this, s_cropView, (this, view % views.Crops, views.Crops), rgb);
    }

    private static void Choose(int count, int frames, ClipViews views, int view, Span<int> chosen)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(view);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(view, views.Count);
        FrameSampling.Even(count, view / views.Crops, views.Times, chosen);
    }

    /// <summary>Resizes and crops without normalising: what the network sees, as a picture.</summary>
    /// <param name="image">[h, w, 3], of any size.</param>
    /// <param name="rgb">[<see cref="ImageHeight"/>, <see cref="ImageWidth"/>, 3].</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or <paramref name="rgb"/> has another length.</exception>
    public void Crop(RgbImage image, Span<byte> rgb) => Crop(image, rgb, 0, 1);

    /// <summary>One of several crops along the edge that is longer than the crop by more; a single one is central.</summary>
    internal void Crop(RgbImage image, Span<byte> rgb, int crop, int crops)
    {
        image.ThrowIfEmpty(nameof(image));
        CheckOutput(rgb.Length);
        var (width, height) = ResizedSize(image.Width, image.Height);
        var (left, top) = (CropOffset(width, ImageWidth), CropOffset(height, ImageHeight));
        if (crops > 1 && width - ImageWidth > height - ImageHeight) left = crop * (width - ImageWidth) / (crops - 1); // in whole numbers, so that the last is at the end
        else if (crops > 1) top = crop * (height - ImageHeight) / (crops - 1);
        PillowResize.Resize(
            image,
            new PixelBox(0, 0, image.Width, image.Height),
            new ResizeAxis(image.Width, 0, image.Width, width, left, ImageWidth),
            new ResizeAxis(image.Height, 0, image.Height, height, top, ImageHeight),
            rgb);
    }

    /// <summary>Size of the whole resized image, of which only the crop is computed.</summary>
    internal (long Width, long Height) ResizedSize(int width, int height) => Cover(width, height, CoverWidth, CoverHeight);

    /// <summary>The smallest size of the image's proportions that is at least (coverWidth, coverHeight), one of the two edges exactly.</summary>
    internal static (long Width, long Height) Cover(long width, long height, long coverWidth, long coverHeight) =>
        coverHeight * width >= coverWidth * height ? (coverHeight * width / height, coverHeight) : (coverWidth, coverWidth * height / width);

    /// <summary>(edge − crop) / 2, halves rounded to the even number.</summary>
    internal static long CropOffset(long edge, int crop)
    {
        var half = (edge - crop) / 2;
        return (edge - crop) % 2 == 0 ? half : half + (half & 1);
    }

    internal void CheckOutput(int length)
    {
        if (length != OutputLength)
            throw new ArgumentException($"The output has {length} elements; [3, {ImageHeight}, {ImageWidth}] needs {OutputLength}.", "output");
    }

    private static int CheckInput(int value, string name) =>
        value is >= 1 and <= MaxInput ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be in 1 … {MaxInput} pixels.");
}

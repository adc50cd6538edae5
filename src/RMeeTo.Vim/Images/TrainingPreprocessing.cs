using System.Buffers;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Images;

/// <summary>Which part of an image training sees.</summary>
public enum TrainingCrop
{
    /// <summary>A part of random area, proportions and position, stretched to the input size.</summary>
    RandomResized,

    /// <summary>The same centre crop as in evaluation.</summary>
    Centre,
}

/// <summary>
/// How an image becomes network input in training: random resized crop, random horizontal flip, RandAugment, normalise, random erasing. Every random number is
/// a function of (seed, epoch, sample), see <see cref="CounterRandom"/>.
/// </summary>
/// <remarks>
/// Random resized crop as in timm 0.4.12 and torchvision: area uniform in <see cref="Area"/>, logarithm of the aspect
/// uniform; ten tries to place it, else the largest central crop whose aspect is within the limits; the crop is cut out first and then resized, bicubic as in
/// <see cref="PillowResize"/>. Aspects are relative to that of the network input, which makes no difference where that is square.
/// <para>
/// A clip is augmented with the same decisions for every frame. There <see cref="Policy"/> comes first, on the whole frames, and fills with grey 128, as in
/// VideoMamba; in an image it comes after crop and flip, and fills with the mean colour of the normalisation, as in timm. The copies of a repeated clip
/// (<see cref="ShownImage.Sample"/>) are the same frames, augmented in different ways, as VideoMamba reads a video once for all of them.
/// </para>
/// </remarks>
public sealed record TrainingPreprocessing
{
    private const int Tries = 10;

    /// <summary>Outside a frame of a clip: timm's colour where the caller names none, as VideoMamba.</summary>
    private static readonly RgbColor s_clipFill = new(128, 128, 128);

    /// <summary>Training input of the same size and normalisation as <paramref name="evaluation"/>.</summary>
    /// <param name="evaluation">How the same network is evaluated.</param>
    /// <exception cref="ArgumentNullException"><paramref name="evaluation"/> is null.</exception>
    public TrainingPreprocessing(EvaluationPreprocessing evaluation) => Evaluation = evaluation ?? throw new ArgumentNullException(nameof(evaluation));

    /// <summary>How the same network is evaluated: input size, normalisation, and the centre crop.</summary>
    public EvaluationPreprocessing Evaluation { get; }

    /// <summary>Which part of the image is used.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of the enum.</exception>
    public TrainingCrop Crop
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(
                nameof(Crop), value, $"Crop {value} is not one of {string.Join(", ", Enum.GetNames<TrainingCrop>())}.");
    } = TrainingCrop.RandomResized;

    /// <summary>Range of the area of a random crop, as a part of the image's: 0 &lt; Min ≤ Max ≤ 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public (double Min, double Max) Area
    {
        get;
        init => field = value.Min > 0 && value.Min <= value.Max && value.Max <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Area), value, $"Area is {value.Min} … {value.Max}; it must satisfy 0 < Min ≤ Max ≤ 1.");
    } = (0.08, 1);

    /// <summary>The widest random crop is this many times as wide as its height asks for, the narrowest 1 over it; 1 … 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double MaxAspect
    {
        get;
        init => field = value is >= 1 and <= 100
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MaxAspect), value, $"MaxAspect is {value}; it must be in 1 … 100.");
    } = 4.0 / 3.0;

    /// <summary>Probability that an image is mirrored left to right, 0 … 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double FlipProbability
    {
        get;
        init => field = value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(FlipProbability), value, $"FlipProbability is {value}; it must be in 0 … 1.");
    } = 0.5;

    /// <summary>Operations on the bytes; null for none.</summary>
    public RandAugment? Policy { get; init; }

    /// <summary>Noise in a rectangle of the normalised image; null for none.</summary>
    public RandomErasing? Erasing { get; init; }

    /// <summary>Prepares one image. Safe on many threads at once; scratch memory comes from the shared array pool.</summary>
    /// <param name="image">[h, w, 3], of any size.</param>
    /// <param name="output">[3, height, width] of the evaluation's size, normalised.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0.</param>
    /// <param name="sample">Number of the sample, at least 0; the same image shown again in an epoch takes another number.</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or <paramref name="output"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="epoch"/> or <paramref name="sample"/> is negative.</exception>
    public void Apply(RgbImage image, Span<float> output, ulong seed, int epoch, long sample)
    {
        Evaluation.CheckOutput(output.Length);
        var rgb = ArrayPool<byte>.Shared.Rent(output.Length);
        try
        {
            var pixels = rgb.AsSpan(0, output.Length);
            Augment(image, pixels, seed, epoch, sample);
            Evaluation.Normalization.Apply(pixels, output);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rgb);
        }

        Erase(output, 1, seed, epoch, sample);
    }

    /// <summary>Prepares one clip: random frames, and the same decisions for all of them.</summary>
    /// <param name="clip">Any number of frames of any one size.</param>
    /// <param name="frames">T, frames that the network takes (<see cref="VimConfig.Frames"/>), at least 1.</param>
    /// <param name="output">[3, T, height, width] of the evaluation's size, normalised.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0.</param>
    /// <param name="sample">Number of the sample, at least 0; the same clip shown again in an epoch takes another number.</param>
    /// <exception cref="ArgumentException">A frame is empty or of another size than the first, or <paramref name="output"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="frames"/> is less than 1, or <paramref name="epoch"/> or <paramref name="sample"/> is negative.
    /// </exception>
    public void Apply(VideoClip clip, int frames, Span<float> output, ulong seed, int epoch, long sample)
    {
        ArgumentNullException.ThrowIfNull(clip);
        Apply(new ClipFrames(clip), frames, output, seed, epoch, sample);
    }

    internal void Apply<TSource>(TSource source, int frames, Span<float> output, ulong seed, int epoch, long sample) where TSource : IFrameSource
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(frames, 1);
        Span<int> chosen = frames <= 64 ? stackalloc int[frames] : new int[frames];
        FrameSampling.Random(source.Count, CounterRandom.For(seed, epoch, ShownImage.IndexOf(sample), RandomPurpose.Frames), chosen);
        // All decisions are functions of (seed, epoch, sample) and the size alone: the same for every frame.
        var state = (Training: this, seed, epoch, sample);
        ClipInput.Fill(source, chosen, Evaluation, static (frame, s, rgb) => s.Training.AugmentFrame(frame, rgb, s.seed, s.epoch, s.sample), state, output);
        Erase(output, frames, seed, epoch, sample);
    }

    /// <summary>Everything before normalising: what the network sees, as a picture, but for what is erased.</summary>
    /// <param name="image">[h, w, 3], of any size.</param>
    /// <param name="rgb">[height, width, 3] of the evaluation's size.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0.</param>
    /// <param name="sample">Number of the sample, at least 0.</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty, or <paramref name="rgb"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="epoch"/> or <paramref name="sample"/> is negative.</exception>
    public void Augment(RgbImage image, Span<byte> rgb, ulong seed, int epoch, long sample)
    {
        CropAndFlip(image, rgb, seed, epoch, sample);
        Policy?.Apply(rgb, Evaluation.ImageWidth, Evaluation.ImageHeight, MeanColor(), CounterRandom.For(seed, epoch, sample, RandomPurpose.RandAugment));
    }

    private void AugmentFrame(RgbImage frame, Span<byte> rgb, ulong seed, int epoch, long sample)
    {
        if (Policy is null)
        {
            CropAndFlip(frame, rgb, seed, epoch, sample);
            return;
        }

        frame.ThrowIfEmpty(nameof(frame));
        var length = frame.Pixels.Length;
        var changed = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            frame.Pixels.Span.CopyTo(changed);
            Policy.Apply(changed.AsSpan(0, length), frame.Width, frame.Height, s_clipFill, CounterRandom.For(seed, epoch, sample, RandomPurpose.RandAugment));
            CropAndFlip(new RgbImage(changed.AsMemory(0, length), frame.Width, frame.Height), rgb, seed, epoch, sample);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(changed);
        }
    }

    private void CropAndFlip(RgbImage image, Span<byte> rgb, ulong seed, int epoch, long sample)
    {
        image.ThrowIfEmpty(nameof(image));
        Evaluation.CheckOutput(rgb.Length);
        int width = Evaluation.ImageWidth, height = Evaluation.ImageHeight;
        if (Crop == TrainingCrop.Centre)
        {
            Evaluation.Crop(image, rgb);
        }
        else
        {
            var box = RandomBox(image.Width, image.Height, CounterRandom.For(seed, epoch, sample, RandomPurpose.Crop));
            PillowResize.Resize(image, box, ResizeAxis.Whole(box.Width, width), ResizeAxis.Whole(box.Height, height), rgb);
        }

        if (CounterRandom.For(seed, epoch, sample, RandomPurpose.Flip).NextDouble() < FlipProbability)
            Flip(rgb, width);
    }

    private void Erase(Span<float> output, int frames, ulong seed, int epoch, long sample) =>
        Erasing?.Apply(output, frames, Evaluation.ImageHeight, Evaluation.ImageWidth, CounterRandom.For(seed, epoch, sample, RandomPurpose.Erase));

    /// <summary>The mean of the normalisation as a colour: (124, 116, 104) for ImageNet's.</summary>
    private RgbColor MeanColor()
    {
        var mean = Evaluation.Mean;
        return new RgbColor(Level(mean.Red), Level(mean.Green), Level(mean.Blue));

        static byte Level(float value) => (byte)Math.Clamp(Math.Round(255.0 * value), 0, 255);
    }

    /// <summary>The part of an image of width × height pixels that a random resized crop takes.</summary>
    internal PixelBox RandomBox(int width, int height, CounterRandom random)
    {
        var inputAspect = (double)Evaluation.ImageWidth / Evaluation.ImageHeight;
        var limit = Math.Log(MaxAspect);
        for (var i = 0; i < Tries; i++)
        {
            var area = random.NextDouble(Area.Min, Area.Max) * width * height;
            var aspect = Math.Exp(random.NextDouble(-limit, limit)) * inputAspect;
            // In a picture of a few pixels a small area rounds to nothing; one pixel is the least there is.
            var boxWidth = Math.Max(1, Math.Round(Math.Sqrt(area * aspect)));
            var boxHeight = Math.Max(1, Math.Round(Math.Sqrt(area / aspect)));
            if (boxWidth > width || boxHeight > height)
                continue;
            var top = random.NextInt(height - (int)boxHeight + 1);
            var left = random.NextInt(width - (int)boxWidth + 1);
            return new PixelBox(left, top, (int)boxWidth, (int)boxHeight);
        }

        return CentralBox(width, height, inputAspect / MaxAspect, inputAspect * MaxAspect);
    }

    /// <summary>The largest central part whose width over height is within the limits.</summary>
    private static PixelBox CentralBox(int width, int height, double minAspect, double maxAspect)
    {
        var aspect = (double)width / height;
        int boxWidth = width, boxHeight = height;
        if (aspect < minAspect)
            boxHeight = Math.Clamp((int)Math.Round(width / minAspect), 1, height);
        else if (aspect > maxAspect)
            boxWidth = Math.Clamp((int)Math.Round(height * maxAspect), 1, width);
        return new PixelBox((width - boxWidth) / 2, (height - boxHeight) / 2, boxWidth, boxHeight);
    }

    private static void Flip(Span<byte> rgb, int width)
    {
        for (var row = rgb; !row.IsEmpty; row = row[(3 * width)..])
        {
            for (int left = 0, right = 3 * (width - 1); left < right; left += 3, right -= 3)
            {
                (row[left], row[right]) = (row[right], row[left]);
                (row[left + 1], row[right + 1]) = (row[right + 1], row[left + 1]);
                (row[left + 2], row[right + 2]) = (row[right + 2], row[left + 2]);
            }
        }
    }
}

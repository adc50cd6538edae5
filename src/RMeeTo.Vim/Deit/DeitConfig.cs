namespace RMeeTo.Vim.Deit;

/// <summary>
/// Architecture of a DeiT, the plain vision transformer that Vim is compared with. Immutable and always valid: a property that is out of range throws where it
/// is set, and sizes that contradict each other throw in <see cref="Validate"/>, which every consumer calls.
/// </summary>
/// <remarks>Sources: DeiT (arXiv 2012.12877), spec 1.5. C = <see cref="Width"/>, H = <see cref="Heads"/>, L = <see cref="Tokens"/>.</remarks>
public sealed record DeitConfig
{
    /// <summary>
    /// ε of the layer norms in the R-MeeTo code, which builds its transformers with PyTorch's default; the published DeiT networks have 1e-6.
    /// </summary>
    public const float ForkNormEpsilon = 1e-5f;

    /// <summary>Input height in pixels.</summary>
    public int ImageHeight { get; init => field = Positive(value, nameof(ImageHeight)); } = 224;

    /// <summary>Input width in pixels.</summary>
    public int ImageWidth { get; init => field = Positive(value, nameof(ImageWidth)); } = 224;

    /// <summary>Edge of the square patches in pixels; they lie side by side.</summary>
    public int PatchSize { get; init => field = Positive(value, nameof(PatchSize)); } = 16;

    /// <summary>C, channels of a token (official name <c>embed_dim</c>); a multiple of <see cref="Heads"/>.</summary>
    public int Width { get; init => field = Positive(value, nameof(Width)); } = 192;

    /// <summary>Number of blocks.</summary>
    public int Depth { get; init => field = Positive(value, nameof(Depth)); } = 12;

    /// <summary>H, heads of the attention (official name <c>num_heads</c>).</summary>
    public int Heads { get; init => field = Positive(value, nameof(Heads)); } = 3;

    /// <summary>Width of the hidden layer of each block's MLP, in multiples of <see cref="Width"/> (official name <c>mlp_ratio</c>).</summary>
    public int MlpRatio { get; init => field = Positive(value, nameof(MlpRatio)); } = 4;

    /// <summary>Number of classes; at least 1.</summary>
    public int Classes { get; init => field = Positive(value, nameof(Classes)); } = 1000;

    /// <summary>ε of the layer norms; above 0, at most 1. 1e-6 in the published networks, <see cref="ForkNormEpsilon"/> in R-MeeTo's merged ones.</summary>
    public float NormEpsilon
    {
        get;
        init => field = value is > 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(NormEpsilon), value, $"DeitConfig.NormEpsilon is {value}; it must be above 0 and at most 1.");
    } = 1e-6f;

    /// <summary>Patches in a column of the image.</summary>
    public int GridHeight => ImageHeight / PatchSize;

    /// <summary>Patches in a row of the image.</summary>
    public int GridWidth => ImageWidth / PatchSize;

    /// <summary>Patches of an image.</summary>
    public int Patches => GridHeight * GridWidth;

    /// <summary>L, tokens of an image before any merge: the class token, then the patches.</summary>
    public int Tokens => Patches + 1;

    /// <summary>Channels of a head: C / H.</summary>
    public int HeadWidth => Width / Heads;

    /// <summary>Width of the hidden layer of the MLP.</summary>
    public int MlpWidth => MlpRatio * Width;

    /// <summary>Values of a patch: 3 · PatchSize².</summary>
    public int PatchLength => 3 * PatchSize * PatchSize;

    /// <summary>Values of one network input: 3 · height · width.</summary>
    public int InputLength => 3 * ImageHeight * ImageWidth;

    /// <summary>DeiT-Tiny: width 192, 3 heads, 5,717,416 parameters at 1000 classes.</summary>
    public static DeitConfig DeitTiny { get; } = new();

    /// <summary>DeiT-Small: width 384, 6 heads, 22,050,664 parameters at 1000 classes.</summary>
    public static DeitConfig DeitSmall { get; } = new() { Width = 384, Heads = 6 };

    /// <summary>DeiT-Base: width 768, 12 heads, 86,567,656 parameters at 1000 classes.</summary>
    public static DeitConfig DeitBase { get; } = new() { Width = 768, Heads = 12 };

    /// <summary>Patches and positions are those of a Vim with its class token first; for the code that cuts the ones and resizes the others.</summary>
    internal VimConfig Geometry => new()
    {
        ImageHeight = ImageHeight,
        ImageWidth = ImageWidth,
        PatchSize = PatchSize,
        Stride = PatchSize,
        Width = Width,
        ClassToken = ClassTokenPosition.First,
    };

    /// <summary>Checks what no single property can see.</summary>
    /// <returns>This configuration.</returns>
    /// <exception cref="ArgumentException">The image is smaller than a patch, the heads do not share the width evenly, or the network would not fit a 32-bit
    /// index.</exception>
    public DeitConfig Validate()
    {
        if (ImageHeight < PatchSize || ImageWidth < PatchSize)
            throw new ArgumentException($"An image of {ImageWidth}×{ImageHeight} pixels is smaller than a patch of {PatchSize}×{PatchSize}; enlarge the image "
                + "or use smaller patches.");
        if (Width % Heads != 0) throw new ArgumentException($"A width of {Width} does not divide by {Heads} heads; use a multiple of the heads.");
        // All in 64 bits or double: the derived properties of a configuration that is refused here may have wrapped.
        long tokens = (long)(ImageHeight / PatchSize) * (ImageWidth / PatchSize) + 1, widest = Math.Max(3L, MlpRatio) * Width;
        const int largest = int.MaxValue / 4;
        if (3L * ImageHeight * ImageWidth > largest || widest > largest || tokens * widest > largest || tokens * (tokens + 16.0) * Heads > largest)
            throw new ArgumentException($"{tokens} tokens of width {Width} with {Heads} heads and an MLP of {widest} are more than one image's buffers can "
                + "hold; use larger patches or a smaller width.");
        const int gap = 16; // each tensor begins at a multiple of 16 values
        double c = Width, block = (4 + 2.0 * MlpRatio) * c * c + (9 + MlpRatio) * c + 12 * gap;
        double ends = c * (3.0 * PatchSize * PatchSize + tokens + Classes + 4) + Classes + 8 * gap;
        if (Depth * block + ends > Array.MaxLength)
            throw new ArgumentException($"A network of width {Width}, {Depth} blocks and {Classes} classes has more than {Array.MaxLength} weights, the most "
                + "that an array holds; use smaller sizes.");
        return this;
    }

    private static int Positive(int value, string name) => value is >= 1 and <= 1 << 20
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"DeitConfig.{name} is {value}; it must be from 1 to {1 << 20}.");
}

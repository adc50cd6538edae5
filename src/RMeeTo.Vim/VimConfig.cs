namespace RMeeTo.Vim;

/// <summary>Where the class token stands among the patch tokens.</summary>
public enum ClassTokenPosition
{
    /// <summary>After half of the patches (Vim).</summary>
    Middle,

    /// <summary>Before all patches (VideoMamba).</summary>
    First,
}

/// <summary>The normalisation before every mixer and before the head.</summary>
public enum NormKind
{
    /// <summary>x / sqrt(mean(x²) + ε) · weight.</summary>
    Rms,

    /// <summary>(x − mean) / sqrt(variance + ε) · weight + bias.</summary>
    Layer,
}

/// <summary>
/// Architecture of a Vision Mamba: every size that decides the shape of a parameter or of an activation. Immutable and always valid: a property that is out of
/// range throws where it is set, and sizes that contradict each other throw in <see cref="Validate"/>, which every consumer calls.
/// </summary>
/// <remarks>Sources: Vim (arXiv 2401.09417), R-MeeTo (arXiv 2412.12496). C = <see cref="Width"/>, D = <see cref="InnerWidth"/>, N = <see cref="StateSize"/>,
/// R = <see cref="TimeStepRank"/>, L = <see cref="Tokens"/>.</remarks>
public sealed record VimConfig
{
    /// <summary>Input height in pixels.</summary>
    public int ImageHeight { get; init => field = Positive(value, nameof(ImageHeight)); } = 224;

    /// <summary>Input width in pixels.</summary>
    public int ImageWidth { get; init => field = Positive(value, nameof(ImageWidth)); } = 224;

    /// <summary>Edge of the square patches in pixels.</summary>
    public int PatchSize { get; init => field = Positive(value, nameof(PatchSize)); } = 16;

    /// <summary>Pixels from one patch to the next; less than <see cref="PatchSize"/> makes patches overlap.</summary>
    public int Stride { get; init => field = Positive(value, nameof(Stride)); } = 16;

    /// <summary>C, channels of a token (official name <c>embed_dim</c>).</summary>
    public int Width { get; init => field = Positive(value, nameof(Width)); } = 192;

    /// <summary>Number of blocks.</summary>
    public int Depth { get; init => field = Positive(value, nameof(Depth)); } = 24;

    /// <summary>N, states per channel of the selective scan (official name <c>d_state</c>); 1 to 64.</summary>
    public int StateSize { get; init => field = InRange(value, 1, 64, nameof(StateSize)); } = 16;

    /// <summary>Taps of the causal convolution (official name <c>d_conv</c>); 2 to 4.</summary>
    public int ConvolutionWidth { get; init => field = InRange(value, 2, 4, nameof(ConvolutionWidth)); } = 4;

    /// <summary>D / C (official name <c>expand</c>).</summary>
    public int Expansion { get; init => field = Positive(value, nameof(Expansion)); } = 2;

    /// <summary>R, rank of the Δ projection (official name <c>dt_rank</c>). Unless set: ceil(C / 16).</summary>
    public int TimeStepRank { get => field == 0 ? (Width + 15) / 16 : field; init => field = Positive(value, nameof(TimeStepRank)); }

    /// <summary>Number of classes; at least 1.</summary>
    public int Classes { get; init => field = Positive(value, nameof(Classes)); } = 1000;

    /// <summary>True (Vim): the two scan directions are averaged. False (VideoMamba): they are added. Official name <c>if_divide_out</c>.</summary>
    public bool AverageDirections { get; init; } = true;

    /// <summary>Place of the class token.</summary>
    public ClassTokenPosition ClassToken { get; init => field = Defined(value, nameof(ClassToken)); } = ClassTokenPosition.Middle;

    /// <summary>Kind of normalisation.</summary>
    public NormKind Norm { get; init => field = Defined(value, nameof(Norm)); } = NormKind.Rms;

    /// <summary>ε of the normalisation; above 0, at most 1.</summary>
    public float NormEpsilon
    {
        get;
        init => field = value is > 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(nameof(NormEpsilon), value, $"VimConfig.NormEpsilon is {value}; it must be above 0 and at most 1.");
    } = 1e-5f;

    /// <summary>True: a learned factor per channel on every mixer's output (official parameter <c>mixer.gamma</c>).</summary>
    public bool LayerScale { get; init; }

    /// <summary>Patches in a column of the image: (<see cref="ImageHeight"/> − <see cref="PatchSize"/>) / <see cref="Stride"/> + 1.</summary>
    public int GridHeight => (ImageHeight - PatchSize) / Stride + 1;

    /// <summary>Patches in a row of the image.</summary>
    public int GridWidth => (ImageWidth - PatchSize) / Stride + 1;

    /// <summary>Patches of an image.</summary>
    public int Patches => GridHeight * GridWidth;

    /// <summary>L, tokens of an image before any merge: patches and the class token.</summary>
    public int Tokens => Patches + 1;

    /// <summary>Row of the class token before any merge.</summary>
    public int ClassRow => ClassToken == ClassTokenPosition.Middle ? Patches / 2 : 0;

    /// <summary>D, channels inside the mixer (official name <c>d_inner</c>).</summary>
    public int InnerWidth => Expansion * Width;

    /// <summary>Values of a patch: 3 · PatchSize².</summary>
    public int PatchLength => 3 * PatchSize * PatchSize;

    /// <summary>Columns of the projection that yields Δ, B and C: R + 2N.</summary>
    public int ProjectionWidth => TimeStepRank + 2 * StateSize;

    /// <summary>Vim-Tiny: width 192, 24 blocks, 7,148,008 parameters at 1000 classes.</summary>
    public static VimConfig VimTiny { get; } = new();

    /// <summary>Vim-Small: width 384, 24 blocks, 25,796,584 parameters at 1000 classes.</summary>
    public static VimConfig VimSmall { get; } = new() { Width = 384 };

    /// <summary>Vim-Base: width 768, 24 blocks, 97,598,440 parameters at 1000 classes.</summary>
    public static VimConfig VimBase { get; } = new() { Width = 768 };

    /// <summary>Checks what no single property can see.</summary>
    /// <returns>This configuration.</returns>
    /// <exception cref="ArgumentException">The image is smaller than a patch, or the network would not fit a 32-bit index.</exception>
    public VimConfig Validate()
    {
        if (ImageHeight < PatchSize || ImageWidth < PatchSize)
            throw new ArgumentException($"An image of {ImageWidth}×{ImageHeight} pixels is smaller than a patch of {PatchSize}×{PatchSize}; enlarge the image or use smaller patches.");
        // All in 64 bits: the derived properties of a configuration that is refused here may have wrapped.
        long inputs = 3L * ImageHeight * ImageWidth, patches = (long)GridHeight * GridWidth, inner = (long)Expansion * Width, patchLength = 3L * PatchSize * PatchSize;
        if (inputs > Array.MaxLength)
            throw new ArgumentException($"An image of {ImageWidth}×{ImageHeight} pixels is {inputs} values, more than an array holds ({Array.MaxLength}); use a smaller image.");
        const int largest = int.MaxValue / 4;
        if (inner > largest || (patches + 1) * Math.Max(2 * inner, Width) > largest || patches * Math.Min(patchLength, inputs) > int.MaxValue)
            throw new ArgumentException($"{patches + 1} tokens of inner width {inner} are more than one image's buffers can hold; use larger patches or a smaller width.");
        if (ParameterValues() > Array.MaxLength)
            throw new ArgumentException($"A network of width {Width}, inner width {inner}, {Depth} blocks and {Classes} classes has more than {Array.MaxLength} weights, the most that an array holds; use smaller sizes.");
        return this;
    }

    /// <summary>Equal in every size, whether <see cref="TimeStepRank"/> was set to its default or left to it.</summary>
    public bool Equals(VimConfig? other) => other is not null && Sizes.Equals(other.Sizes) && Kinds.Equals(other.Kinds);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Sizes, Kinds);

    private (int, int, int, int, int, int, int, int, int, int, int) Sizes =>
        (ImageHeight, ImageWidth, PatchSize, Stride, Width, Depth, StateSize, ConvolutionWidth, Expansion, TimeStepRank, Classes);

    private (bool, ClassTokenPosition, NormKind, float, bool) Kinds => (AverageDirections, ClassToken, Norm, NormEpsilon, LayerScale);

    /// <summary>About the number of learned values; a double, which no size can overflow.</summary>
    private double ParameterValues()
    {
        double c = Width, d = (double)Expansion * Width, n = StateSize, r = TimeStepRank, gap = 16; // each tensor begins at a multiple of 16 values
        double direction = d * (n + 1 + ConvolutionWidth + 1 + r + 2 * n + r + 1) + 7 * gap;
        double block = 3 * d * c + 2 * direction + 3 * c + 5 * gap;
        double ends = c * (3.0 * PatchSize * PatchSize + ((double)GridHeight * GridWidth + 1) + Classes + 4) + Classes + 8 * gap;
        return Depth * block + ends;
    }

    private static int Positive(int value, string name) => InRange(value, 1, 1 << 20, name);

    private static T Defined<T>(T value, string name) where T : struct, Enum => Enum.IsDefined(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"VimConfig.{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");

    private static int InRange(int value, int low, int high, string name) => value >= low && value <= high
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"VimConfig.{name} is {value}; it must be from {low} to {high}.");
}

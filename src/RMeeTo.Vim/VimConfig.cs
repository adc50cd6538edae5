namespace RMeeTo.Vim;

/// <summary>Where the class token stands among the patch tokens.</summary>
public enum ClassTokenPosition
{
    /// <summary>After half of the patches (Vim).</summary>
    Middle,

    /// <summary>Before all patches (VideoMamba).</summary>
    First,

    /// <summary>
    /// Two class tokens, one before and one after all patches; the head reads the mean of both (official name <c>use_double_cls_token</c>). Tokens cannot
    /// merge.
    /// </summary>
    Ends,

    /// <summary>No class token; <see cref="VimConfig.Pooling"/> says what the head reads (official name <c>if_cls_token</c>: false).</summary>
    None,
}

/// <summary>What the head reads where there is no class token.</summary>
public enum TokenPooling
{
    /// <summary>
    /// The mean over all tokens after the norm, each counted as often as original tokens are merged in it (official <c>final_pool_type</c>: mean).
    /// </summary>
    Mean,

    /// <summary>The last token (official <c>final_pool_type</c>: none).</summary>
    Last,
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
/// <remarks>Sources: Vim (arXiv 2401.09417), VideoMamba (arXiv 2403.06977), R-MeeTo (arXiv 2412.12496). C = <see cref="Width"/>, D = <see cref="InnerWidth"/>,
/// N = <see cref="StateSize"/>, R = <see cref="TimeStepRank"/>, L = <see cref="Tokens"/>.</remarks>
public sealed record VimConfig
{
    /// <summary>Frames of a clip; 0 unless set: the input is one image and there is no time axis.</summary>
    public int Frames { get; init => field = InRange(value, 0, 1 << 20, nameof(Frames)); }

    /// <summary>
    /// Consecutive frames that a patch of a clip spans; divides <see cref="Frames"/>. Official name <c>kernel_size</c> or <c>tubelet_size</c>.
    /// </summary>
    public int TubeletSize { get; init => field = Positive(value, nameof(TubeletSize)); } = 1;

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

    /// <summary>What the head reads where <see cref="ClassToken"/> is <see cref="ClassTokenPosition.None"/>; without meaning elsewhere.</summary>
    public TokenPooling Pooling { get; init => field = Defined(value, nameof(Pooling)); } = TokenPooling.Mean;

    /// <summary>True: the input and output projections of the mixers have a bias (official name <c>bias</c>).</summary>
    public bool ProjectionBias { get; init; }

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

    /// <summary>True where the input is a clip of <see cref="Frames"/> frames.</summary>
    public bool IsVideo => Frames > 0;

    /// <summary>Places in time that the patches of an input take: <see cref="Frames"/> / <see cref="TubeletSize"/> for a clip, 1 for an image.</summary>
    public int TimeSteps => IsVideo ? Frames / TubeletSize : 1;

    /// <summary>Patches of an image, or of a clip at one place in time.</summary>
    public int FramePatches => GridHeight * GridWidth;

    /// <summary>Patches of an input: <see cref="TimeSteps"/> · <see cref="FramePatches"/>.</summary>
    public int Patches => TimeSteps * FramePatches;

    /// <summary>Number of class tokens: 1, or 2 for <see cref="ClassTokenPosition.Ends"/>, or 0.</summary>
    public int ClassTokens => ClassToken switch { ClassTokenPosition.Ends => 2, ClassTokenPosition.None => 0, _ => 1 };

    /// <summary>L, tokens of an input before any merge: patches and class tokens.</summary>
    public int Tokens => Patches + ClassTokens;

    /// <summary>Rows of the table of positions in a frame: its patches and the class tokens. Places in time have a table of their own.</summary>
    public int PositionRows => FramePatches + ClassTokens;

    /// <summary>Row of the class token before any merge; the first of both for <see cref="ClassTokenPosition.Ends"/>, −1 where there is none.</summary>
    public int ClassRow => ClassToken switch { ClassTokenPosition.Middle => Patches / 2, ClassTokenPosition.None => -1, _ => 0 };

    /// <summary>Values of an input: 3 · H · W for an image, 3 · frames · H · W for a clip.</summary>
    public int InputLength => 3 * Math.Max(1, Frames) * ImageHeight * ImageWidth;

    /// <summary>D, channels inside the mixer (official name <c>d_inner</c>).</summary>
    public int InnerWidth => Expansion * Width;

    /// <summary>Values of a patch: 3 · TubeletSize · PatchSize².</summary>
    public int PatchLength => 3 * TubeletSize * PatchSize * PatchSize;

    /// <summary>Columns of the projection that yields Δ, B and C: R + 2N.</summary>
    public int ProjectionWidth => TimeStepRank + 2 * StateSize;

    /// <summary>Vim-Tiny: width 192, 24 blocks, 7,148,008 parameters at 1000 classes.</summary>
    public static VimConfig VimTiny { get; } = new();

    /// <summary>Vim-Small: width 384, 24 blocks, 25,796,584 parameters at 1000 classes.</summary>
    public static VimConfig VimSmall { get; } = new() { Width = 384 };

    /// <summary>Vim-Base: width 768, 24 blocks, 97,598,440 parameters at 1000 classes.</summary>
    public static VimConfig VimBase { get; } = new() { Width = 768 };

    /// <summary>
    /// VideoMamba-Tiny for images: width 192, 24 blocks, 7,148,008 parameters at 1000 classes. Names and shapes of its parameters are those of
    /// <see cref="VimTiny"/>.
    /// </summary>
    public static VimConfig VideoMambaTiny { get; } = new() { ClassToken = ClassTokenPosition.First, AverageDirections = false };

    /// <summary>VideoMamba-Small for images: width 384, 24 blocks, 25,796,584 parameters at 1000 classes.</summary>
    public static VimConfig VideoMambaSmall { get; } = VideoMambaTiny with { Width = 384 };

    /// <summary>VideoMamba-Middle for images: width 576, 32 blocks, 74,217,448 parameters at 1000 classes.</summary>
    public static VimConfig VideoMambaMiddle { get; } = VideoMambaTiny with { Width = 576, Depth = 32 };

    /// <summary>VideoMamba-Base for images: width 768, 24 blocks, 97,598,440 parameters at 1000 classes.</summary>
    public static VimConfig VideoMambaBase { get; } = VideoMambaTiny with { Width = 768 };

    /// <summary>VideoMamba-Tiny for clips of 8 frames, 1569 tokens: 7,033,744 parameters at the 400 classes of Kinetics.</summary>
    public static VimConfig VideoMambaTinyVideo { get; } = VideoMambaTiny with { Frames = 8, Classes = 400 };

    /// <summary>VideoMamba-Small for clips of 8 frames: 25,568,656 parameters at 400 classes.</summary>
    public static VimConfig VideoMambaSmallVideo { get; } = VideoMambaSmall with { Frames = 8, Classes = 400 };

    /// <summary>VideoMamba-Middle for clips of 8 frames: 73,875,856 parameters at 400 classes.</summary>
    public static VimConfig VideoMambaMiddleVideo { get; } = VideoMambaMiddle with { Frames = 8, Classes = 400 };

    /// <summary>Checks what no single property can see.</summary>
    /// <returns>This configuration.</returns>
    /// <exception cref="ArgumentException">The image is smaller than a patch, the sizes in time contradict each other, or the network would not fit a 32-bit
    /// index.</exception>
    public VimConfig Validate()
    {
        CheckTime();
        if (ImageHeight < PatchSize || ImageWidth < PatchSize)
            throw new ArgumentException($"An image of {ImageWidth}×{ImageHeight} pixels is smaller than a patch of {PatchSize}×{PatchSize}; enlarge the image or use smaller patches.");
        // All in 64 bits: the derived properties of a configuration that is refused here may have wrapped.
        long frames = Math.Max(1, Frames), inputs = 3 * frames * ImageHeight * ImageWidth, inner = (long)Expansion * Width;
        long patches = (long)GridHeight * GridWidth * TimeSteps, tokens = patches + ClassTokens, patchLength = 3L * PatchSize * PatchSize * TubeletSize;
        string input = IsVideo ? $"A clip of {Frames} frames of {ImageWidth}×{ImageHeight} pixels" : $"An image of {ImageWidth}×{ImageHeight} pixels";
        if (inputs > Array.MaxLength)
            throw new ArgumentException($"{input} is {inputs} values, more than an array holds ({Array.MaxLength}); use a smaller "
                + $"{(IsVideo ? "image or fewer frames" : "image")}.");
        const int largest = int.MaxValue / 4;
        if (inner > largest || tokens * Math.Max(2 * inner, Width) > largest || patches * Math.Min(patchLength, inputs) > int.MaxValue)
            throw new ArgumentException($"{tokens} tokens of inner width {inner} are more than one {(IsVideo ? "clip" : "image")}'s buffers can hold; use "
                + "larger patches or a smaller width.");
        if (ParameterValues() > Array.MaxLength)
            throw new ArgumentException($"A network of width {Width}, inner width {inner}, {Depth} blocks and {Classes} classes has more than {Array.MaxLength} weights, the most that an array holds; use smaller sizes.");
        return this;
    }

    /// <summary>Equal in every size, whether <see cref="TimeStepRank"/> was set to its default or left to it.</summary>
    public bool Equals(VimConfig? other) => other is not null && Sizes.Equals(other.Sizes) && Kinds.Equals(other.Kinds);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Sizes, Kinds);

    private (int, int, int, int, int, int, int, int, int, int, int, int, int) Sizes =>
        (ImageHeight, ImageWidth, PatchSize, Stride, Width, Depth, StateSize, ConvolutionWidth, Expansion, TimeStepRank, Classes, Frames, TubeletSize);

    private (bool, ClassTokenPosition, TokenPooling, NormKind, float, bool, bool) Kinds =>
        (AverageDirections, ClassToken, Pooling, Norm, NormEpsilon, LayerScale, ProjectionBias);

    private void CheckTime()
    {
        if (!IsVideo && TubeletSize != 1)
            throw new ArgumentException($"Patches that span {TubeletSize} frames need a clip, and Frames is 0, which means images; set Frames to a multiple "
                + $"of {TubeletSize}, or TubeletSize to 1.");
        if (!IsVideo) return;
        if (Frames % TubeletSize != 0)
            throw new ArgumentException($"A clip of {Frames} frames cannot be cut into patches that span {TubeletSize} frames; Frames must be a multiple of "
                + "TubeletSize.");
        if (ClassToken != ClassTokenPosition.First)
            throw new ArgumentException($"A network for clips has its class token first, and ClassToken is {ClassToken}; set ClassTokenPosition.First, or "
                + "Frames to 0 for images.");
    }

    /// <summary>About the number of learned values; a double, which no size can overflow.</summary>
    private double ParameterValues()
    {
        double c = Width, d = (double)Expansion * Width, n = StateSize, r = TimeStepRank, gap = 16; // each tensor begins at a multiple of 16 values
        double direction = d * (n + 1 + ConvolutionWidth + 1 + r + 2 * n + r + 1) + 7 * gap;
        double block = 3 * d * c + 2 * direction + 4 * c + 2 * d + 7 * gap;
        double ends = c * (3.0 * TubeletSize * PatchSize * PatchSize + ((double)GridHeight * GridWidth + 2) + TimeSteps + Classes + 5) + Classes + 10 * gap;
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

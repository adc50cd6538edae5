namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>What RandAugment can do to an image; the numbers are the order in which it chooses from them, never renumber.</summary>
public enum ImageOperationKind
{
    /// <summary>Stretches every colour to the whole range 0 … 255. No argument.</summary>
    AutoContrast = 0,

    /// <summary>Makes the histogram of every colour level. No argument.</summary>
    Equalize = 1,

    /// <summary>255 less the byte. No argument.</summary>
    Invert = 2,

    /// <summary>Turns counter-clockwise around the centre. Argument: degrees, −89.9 … 89.9.</summary>
    Rotate = 3,

    /// <summary>Keeps the upper bits of every byte. Argument: how many, 0 … 8; 0 makes the image black.</summary>
    Posterize = 4,

    /// <summary>Inverts bytes that reach a threshold. Argument: the threshold, 0 … 256.</summary>
    Solarize = 5,

    /// <summary>Adds to bytes below 128, at most to 255. Argument: what is added, 0 … 255.</summary>
    SolarizeAdd = 6,

    /// <summary>Away from, or towards, its grey image. Argument: factor, 0 … 10; 0 is grey, 1 the image, more is more colourful.</summary>
    Color = 7,

    /// <summary>Away from, or towards, its mean grey. Argument: factor, 0 … 10; 1 is the image.</summary>
    Contrast = 8,

    /// <summary>Away from, or towards, black. Argument: factor, 0 … 10; 1 is the image.</summary>
    Brightness = 9,

    /// <summary>Away from, or towards, a smoothed image. Argument: factor, 0 … 10; 1 is the image.</summary>
    Sharpness = 10,

    /// <summary>Moves every row to the left by a multiple of its distance from the top. Argument: the multiple, −10 … 10.</summary>
    ShearX = 11,

    /// <summary>Moves every column upwards by a multiple of its distance from the left edge. Argument: the multiple, −10 … 10.</summary>
    ShearY = 12,

    /// <summary>Moves to the left. Argument: share of the width, −1 … 1.</summary>
    TranslateX = 13,

    /// <summary>Moves upwards. Argument: share of the height, −1 … 1.</summary>
    TranslateY = 14,
}

/// <summary>An operation on the bytes of an image, with its argument.</summary>
/// <remarks>
/// Equal to the byte to Pillow 9.4.0 on x86-64, called as timm 0.4.12 calls it: ImageOps and ImageEnhance for the colours, <c>Image.transform</c> and
/// <c>Image.rotate</c> with bicubic interpolation for the geometry (spec 3.1, item 3). docs/augmentation.md has the table.
/// </remarks>
public readonly record struct ImageOperation
{
    /// <summary>An operation.</summary>
    /// <param name="kind">What is done.</param>
    /// <param name="argument">See <see cref="ImageOperationKind"/>; 0 where there is none.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such operation, or its argument is out of range.</exception>
    public ImageOperation(ImageOperationKind kind, double argument = 0)
    {
        var (low, high) = Range(kind);
        // Written so that NaN fails.
        if (!(argument >= low && argument <= high))
            throw new ArgumentOutOfRangeException(nameof(argument), argument, $"The argument of {kind} is {argument}; it must be from {low} to {high}.");
        if (kind is ImageOperationKind.Posterize or ImageOperationKind.Solarize or ImageOperationKind.SolarizeAdd && argument != Math.Floor(argument))
            throw new ArgumentOutOfRangeException(nameof(argument), argument, $"The argument of {kind} is {argument}; it must be a whole number.");
        (Kind, Argument) = (kind, argument);
    }

    /// <summary>What is done.</summary>
    public ImageOperationKind Kind { get; }

    /// <summary>How much; see <see cref="ImageOperationKind"/>.</summary>
    public double Argument { get; }

    /// <summary>Whether the argument has two directions, of which RandAugment takes one by chance.</summary>
    /// <param name="kind">An operation.</param>
    public static bool HasSign(ImageOperationKind kind) => kind is ImageOperationKind.Rotate or >= ImageOperationKind.Color;

    /// <summary>The operation at a magnitude of RandAugment: timm's "increasing" forms, whose effect grows with the magnitude.</summary>
    /// <param name="kind">What is done.</param>
    /// <param name="magnitude">m, 0 … 10.</param>
    /// <param name="negative">Whether the other of the two directions is meant; without effect where there is only one.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="magnitude"/> is out of range, or there is no such operation.</exception>
    public static ImageOperation AtMagnitude(ImageOperationKind kind, double magnitude, bool negative)
    {
        if (magnitude is not (>= 0 and <= RandAugment.MaxMagnitude))
            throw new ArgumentOutOfRangeException(nameof(magnitude), magnitude, $"The magnitude is {magnitude}; it must be in 0 … {RandAugment.MaxMagnitude}.");
        var share = magnitude / RandAugment.MaxMagnitude;
        return new ImageOperation(kind, kind switch
        {
            ImageOperationKind.Rotate => Signed(share * 30),
            ImageOperationKind.Posterize => 4 - Math.Floor(share * 4),
            ImageOperationKind.Solarize => 256 - Math.Floor(share * 256),
            ImageOperationKind.SolarizeAdd => Math.Floor(share * 110),
            ImageOperationKind.Color or ImageOperationKind.Contrast or ImageOperationKind.Brightness or ImageOperationKind.Sharpness => 1 + Signed(share * 0.9),
            ImageOperationKind.ShearX or ImageOperationKind.ShearY => Signed(share * 0.3),
            ImageOperationKind.TranslateX or ImageOperationKind.TranslateY => Signed(share * 0.45),
            _ => 0,
        });

        double Signed(double value) => negative ? -value : value;
    }

    /// <summary>Does it, in place. Safe on many threads at once; scratch memory comes from the shared array pool.</summary>
    /// <param name="rgb">[<paramref name="height"/>, <paramref name="width"/>, 3].</param>
    /// <param name="width">Pixels a row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="fill">Colour of what comes from outside the image when it is moved.</param>
    /// <exception cref="ArgumentException"><paramref name="rgb"/> has another length.</exception>
    public void Apply(Span<byte> rgb, int width, int height, RgbColor fill)
    {
        if (width < 1 || height < 1 || rgb.Length != 3L * width * height)
            throw new ArgumentException($"{width}×{height} RGB pixels are {3L * width * height} bytes, but {rgb.Length} bytes were passed.", nameof(rgb));
        switch (Kind)
        {
            case ImageOperationKind.AutoContrast: PointOperations.AutoContrast(rgb); break;
            case ImageOperationKind.Equalize: PointOperations.Equalize(rgb); break;
            case ImageOperationKind.Invert: PointOperations.Invert(rgb); break;
            case ImageOperationKind.Posterize: PointOperations.Posterize(rgb, (int)Argument); break;
            case ImageOperationKind.Solarize: PointOperations.Solarize(rgb, (int)Argument); break;
            case ImageOperationKind.SolarizeAdd: PointOperations.SolarizeAdd(rgb, (int)Argument); break;
            case ImageOperationKind.Color: Enhancement.Color(rgb, (float)Argument); break;
            case ImageOperationKind.Contrast: Enhancement.Contrast(rgb, (float)Argument); break;
            case ImageOperationKind.Brightness: Enhancement.Brightness(rgb, (float)Argument); break;
            case ImageOperationKind.Sharpness: Enhancement.Sharpness(rgb, width, height, (float)Argument); break;
            default: BicubicWarp.Apply(rgb, width, height, Motion(width, height), fill); break;
        }
    }

    private AffineMap Motion(int width, int height) => Kind switch
    {
        ImageOperationKind.Rotate => AffineMap.Rotation(Argument, width, height),
        ImageOperationKind.ShearX => new AffineMap(1, Argument, 0, 0, 1, 0),
        ImageOperationKind.ShearY => new AffineMap(1, 0, 0, Argument, 1, 0),
        ImageOperationKind.TranslateX => new AffineMap(1, 0, Argument * width, 0, 1, 0),
        _ => new AffineMap(1, 0, 0, 0, 1, Argument * height),
    };

    private static (double Low, double High) Range(ImageOperationKind kind) => kind switch
    {
        ImageOperationKind.AutoContrast or ImageOperationKind.Equalize or ImageOperationKind.Invert => (0, 0),
        ImageOperationKind.Rotate => (-89.9, 89.9),
        ImageOperationKind.Posterize => (0, 8),
        ImageOperationKind.Solarize => (0, 256),
        ImageOperationKind.SolarizeAdd => (0, 255),
        ImageOperationKind.Color or ImageOperationKind.Contrast or ImageOperationKind.Brightness or ImageOperationKind.Sharpness => (0, 10),
        ImageOperationKind.ShearX or ImageOperationKind.ShearY => (-10, 10),
        ImageOperationKind.TranslateX or ImageOperationKind.TranslateY => (-1, 1),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, $"{kind} is not one of {string.Join(", ", Enum.GetNames<ImageOperationKind>())}."),
    };
}

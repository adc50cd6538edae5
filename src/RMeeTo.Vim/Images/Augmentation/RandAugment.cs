using System.Globalization;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>
/// RandAugment: a few operations on the bytes of an image, drawn with replacement from the 15 of <see cref="ImageOperationKind"/>, each done with probability
/// ½, at a magnitude that is drawn from a normal distribution. The values that are not set are those of the paper's recipe, <c>rand-m9-mstd0.5-inc1</c>.
/// </summary>
/// <remarks>Cubuk et al., "RandAugment", CVPRW 2020, in the form of timm 0.4.12 with its "increasing" operations (spec 3.1, item 3).</remarks>
public sealed record RandAugment
{
    /// <summary>The greatest magnitude.</summary>
    public const double MaxMagnitude = 10;

    private const int Kinds = (int)ImageOperationKind.TranslateY + 1;
    private const double Probability = 0.5;

    /// <summary>Mean of the magnitude m, 0 to 10.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double Magnitude { get; init => field = InRange(value, 0, MaxMagnitude, nameof(Magnitude)); } = 9;

    /// <summary>Standard deviation of the magnitude, 0 to 100; drawn for every operation, then clamped to 0 … 10.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double MagnitudeStd { get; init => field = InRange(value, 0, 100, nameof(MagnitudeStd)); } = 0.5;

    /// <summary>Operations that are drawn for an image, 0 to 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int Operations { get; init => field = (int)InRange(value, 0, 100, nameof(Operations)); } = 2;

    /// <summary>Reads the text that timm takes.</summary>
    /// <param name="text">
    /// <c>rand</c>, then in any order and joined by hyphens: <c>m</c> and the magnitude (default 10), <c>n</c> and the number of operations (default 2),
    /// <c>mstd</c> and the standard deviation (default 0), and <c>inc1</c>, which must be there.
    /// </param>
    /// <exception cref="FormatException">The text is something else; the message says where.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static RandAugment Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sections = text.Split('-');
        if (sections[0] != "rand") throw Fault(text, $"it begins with '{sections[0]}' and must begin with 'rand'");
        double magnitude = MaxMagnitude, std = 0;
        int operations = 2;
        var seen = new HashSet<string>();
        foreach (var section in sections.AsSpan(1))
        {
            var digits = section.AsSpan().IndexOfAnyInRange('0', '9');
            var (key, number) = digits < 0 ? (section, "") : (section[..digits], section[digits..]);
            if (!seen.Add(key)) throw Fault(text, $"section '{key}' is in it twice");
            switch (key)
            {
                case "m": magnitude = Number(text, section, number); break;
                case "mstd": std = Number(text, section, number); break;
                case "n": operations = Whole(text, section, number); break;
                case "inc" when number == "1": break;
                case "inc": throw Fault(text, $"section '{section}' asks for operations that weaken as the magnitude grows, which are not here; write 'inc1'");
                case "w": throw Fault(text, $"section '{section}' asks for weights of the operations, which are not here; leave it out");
                default: throw Fault(text, $"section '{section}' is none of m, n, mstd and inc1");
            }
        }

        if (!seen.Contains("inc"))
            throw Fault(text, "without 'inc1' it asks for operations that weaken as the magnitude grows, which are not here; append '-inc1'");
        return new RandAugment { Magnitude = magnitude, MagnitudeStd = std, Operations = operations };
    }

    /// <summary>Draws the operations for one image, in the order in which they are to be done.</summary>
    /// <param name="random">A stream of its own for every sample: <see cref="RandomPurpose.RandAugment"/>.</param>
    /// <param name="operations">[<see cref="Operations"/>]; written.</param>
    /// <returns>How many are to be done; those that were drawn and left out are not among them.</returns>
    /// <exception cref="ArgumentException"><paramref name="operations"/> is too short.</exception>
    public int Draw(CounterRandom random, Span<ImageOperation> operations)
    {
        if (operations.Length < Operations)
            throw new ArgumentException($"There is room for {operations.Length} operations and {Operations} are drawn.", nameof(operations));
        var count = 0;
        for (var i = 0; i < Operations; i++)
        {
            // Everything is drawn every time, so that no operation shifts the numbers of the next.
            var kind = (ImageOperationKind)random.NextInt(Kinds);
            var done = random.NextDouble() < Probability;
            var magnitude = Math.Clamp(Magnitude + MagnitudeStd * random.NextGaussian(), 0, MaxMagnitude);
            var negative = random.NextDouble() < 0.5;
            if (done) operations[count++] = ImageOperation.AtMagnitude(kind, magnitude, negative);
        }

        return count;
    }

    /// <summary>Draws and does. Safe on many threads at once; scratch memory comes from the shared array pool.</summary>
    /// <param name="rgb">[<paramref name="height"/>, <paramref name="width"/>, 3]; changed in place.</param>
    /// <param name="width">Pixels a row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="fill">Colour of what comes from outside the image when it is moved.</param>
    /// <param name="random">A stream of its own for every sample: <see cref="RandomPurpose.RandAugment"/>. The same stream makes the same decisions.</param>
    /// <exception cref="ArgumentException"><paramref name="rgb"/> has another length.</exception>
    public void Apply(Span<byte> rgb, int width, int height, RgbColor fill, CounterRandom random)
    {
        Span<ImageOperation> drawn = stackalloc ImageOperation[Operations];
        foreach (ref readonly var operation in drawn[..Draw(random, drawn)]) operation.Apply(rgb, width, height, fill);
    }

    /// <summary>The text that <see cref="Parse"/> takes.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"rand-m{Magnitude}-n{Operations}-mstd{MagnitudeStd}-inc1");

    private static double Number(string text, string section, string number) =>
        double.TryParse(number, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw Fault(text, $"section '{section}' must end with a number");

    private static int Whole(string text, string section, string number) => int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
        ? value
        : throw Fault(text, $"section '{section}' must end with a whole number");

    private static FormatException Fault(string text, string what) =>
        new($"'{text}' is no RandAugment policy: {what}. An example is 'rand-m9-mstd0.5-inc1'.");

    private static double InRange(double value, double low, double high, string name) => value >= low && value <= high
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"RandAugment.{name} is {value}; it must be from {low} to {high}.");
}

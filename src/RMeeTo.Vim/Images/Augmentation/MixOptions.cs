using System.Text.Json.Serialization;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>
/// How the images of a batch are mixed with one another. The values that are not set are those of the paper's recipe: always one of the two, chosen evenly.
/// </summary>
/// <remarks>
/// Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. CutMix: Yun et al., ICCV 2019. One decision for all images of a mix group, as
/// timm 0.4.12 does it in batch mode (spec 3.1, item 6).
/// </remarks>
public sealed record MixOptions
{
    private const double MaxAlpha = 1000;

    /// <summary>Images stay what they are.</summary>
    public static MixOptions None { get; } = new() { Mixup = 0, CutMix = 0 };

    /// <summary>α of the distribution Beta(α, α) of mixup's λ, 0 to 1000; 0 means no mixup.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double Mixup { get; init => field = InRange(value, MaxAlpha, nameof(Mixup)); } = 0.8;

    /// <summary>α of the distribution Beta(α, α) of CutMix's λ, 0 to 1000; 0 means no CutMix.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double CutMix { get; init => field = InRange(value, MaxAlpha, nameof(CutMix)); } = 1.0;

    /// <summary>Probability that a mix group is mixed at all, 0 to 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double Probability { get; init => field = InRange(value, 1, nameof(Probability)); } = 1;

    /// <summary>Probability of CutMix instead of mixup where both are on, 0 to 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public double SwitchProbability { get; init => field = InRange(value, 1, nameof(SwitchProbability)); } = 0.5;

    /// <summary>Whether nothing is ever mixed.</summary>
    [JsonIgnore]
    public bool IsNone => Probability == 0 || (Mixup == 0 && CutMix == 0);

    private static double InRange(double value, double high, string name) => value >= 0 && value <= high
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"MixOptions.{name} is {value}; it must be from 0 to {high}.");
}

namespace RMeeTo.Vim.Images;

/// <summary>
/// How often a video is looked at in evaluation: so many places in time, each so many crops along the longer edge. The result is the mean of the class
/// probabilities of all views.
/// </summary>
/// <remarks>Spec 3.2. View v looks at place v / <see cref="Crops"/> in time and at crop v mod <see cref="Crops"/>.</remarks>
public sealed record ClipViews
{
    /// <summary>One view: the middle of every segment, the centre crop.</summary>
    public static ClipViews Single { get; } = new();

    /// <summary>4 places in time, 3 crops each: how the published accuracies were measured.</summary>
    public static ClipViews Published { get; } = new() { Times = 4, Crops = 3 };

    /// <summary>Places in time, 1 … 100; see <see cref="FrameSampling.Even"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int Times { get; init => field = Check(value, nameof(Times)); } = 1;

    /// <summary>Crops from one end of the longer edge to the other, 1 … 100; a single one is central.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is out of range.</exception>
    public int Crops { get; init => field = Check(value, nameof(Crops)); } = 1;

    /// <summary><see cref="Times"/> · <see cref="Crops"/>.</summary>
    public int Count => Times * Crops;

    private static int Check(int value, string name) =>
        value is >= 1 and <= 100 ? value : throw new ArgumentOutOfRangeException(name, value, $"ClipViews.{name} is {value}; it must be in 1 … 100.");
}

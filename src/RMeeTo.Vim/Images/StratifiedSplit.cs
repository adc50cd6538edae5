namespace RMeeTo.Vim.Images;

/// <summary>Images parted into training and validation, class by class.</summary>
/// <remarks>
/// Of n images of a class, fraction · n go to validation, rounded to the nearest number, halves to the even one, but at least one, and at least one stays for
/// training, where n ≥ 2; the single image of a class is for training. So with many small classes the validation part is larger than asked for. Which ones is a
/// function of the seed, the class and n. Images without a label are in neither part.
/// </remarks>
/// <param name="Train">Indices for training, ascending.</param>
/// <param name="Validation">Indices for validation, ascending.</param>
public sealed record StratifiedSplit(int[] Train, int[] Validation)
{
    /// <summary>Splits by labels.</summary>
    /// <param name="labels">Class of each image; negative where it is missing.</param>
    /// <param name="fraction">Part that goes to validation, 0 or more and below 1; 0 makes no validation part at all.</param>
    /// <param name="seed">Seed of the choice.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fraction"/> is out of range.</exception>
    public static StratifiedSplit Make(ReadOnlySpan<int> labels, double fraction, ulong seed)
    {
        if (fraction is not (>= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(fraction), fraction, $"The validation fraction is {fraction}; it must be at least 0 and below 1.");
        var classes = new SortedDictionary<int, List<int>>();
        for (var i = 0; i < labels.Length; i++)
        {
            if (labels[i] < 0)
                continue;
            if (!classes.TryGetValue(labels[i], out var members))
                classes.Add(labels[i], members = []);
            members.Add(i);
        }

        var train = new List<int>(labels.Length);
        var validation = new List<int>();
        foreach (var (label, members) in classes)
        {
            var order = members.ToArray();
            CounterRandom.For(seed, 0, label, RandomPurpose.Split).Shuffle(order.AsSpan());
            var held = HeldOut(order.Length, fraction);
            validation.AddRange(order.AsSpan(0, held));
            train.AddRange(order.AsSpan(held));
        }

        train.Sort();
        validation.Sort();
        return new StratifiedSplit([.. train], [.. validation]);
    }

    private static int HeldOut(int count, double fraction) =>
        fraction == 0 || count < 2 ? 0 : Math.Clamp((int)Math.Round(fraction * count), 1, count - 1);
}

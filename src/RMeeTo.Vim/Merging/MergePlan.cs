namespace RMeeTo.Vim.Merging;

/// <summary>
/// What one merge does to each image of a batch, in a device's memory: for every row its row in the shorter sequence, or none, and its weight there. Filled by
/// <see cref="Devices.VimDevice.Match"/>; one plan serves the hidden state, the residual, the sizes, the sources and the gradients.
/// </summary>
public abstract class MergePlan : IDisposable
{
    private readonly int[] _rowAtPlace;
    private readonly bool[] _seen;

    /// <summary>Checks that the step can be carried out: devices index their memory by it.</summary>
    /// <param name="batchCapacity">Images to make room for, at least 1.</param>
    /// <param name="step">From 1 to half of the patch tokens go; the class rows lie inside the two sequences, or are both −1 where there is no class
    /// token.</param>
    /// <param name="options">How tokens are chosen and combined.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="batchCapacity"/> is less than 1.</exception>
    /// <exception cref="ArgumentException"><paramref name="step"/> contradicts itself, or the options ask for more than it has: partners, or tokens that may
    /// go.</exception>
    protected MergePlan(int batchCapacity, MergeStep step, MergeOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchCapacity, 1);
        ArgumentNullException.ThrowIfNull(step);
        ArgumentNullException.ThrowIfNull(options);
        options.Check(step);
        bool without = step is { ClassRowIn: -1, ClassRowOut: -1 };
        if (!without && ((uint)step.ClassRowIn >= (uint)step.TokensIn || (uint)step.ClassRowOut >= (uint)step.TokensOut))
            throw new ArgumentException($"{step} has class row {step.ClassRowIn} of {step.TokensIn} tokens before and {step.ClassRowOut} of " +
                $"{step.TokensOut} after; rows count from 0, and −1 and −1 stand for no class token.", nameof(step));
        (BatchCapacity, Step, Options) = (batchCapacity, step, options);
        _rowAtPlace = options.ShuffleRate > 0 ? new int[batchCapacity * step.TokensIn] : [];
        _seen = options.ShuffleRate > 0 ? new bool[step.TokensIn] : [];
        for (int i = 0; i < _rowAtPlace.Length; i++) _rowAtPlace[i] = i % step.TokensIn;
    }

    /// <summary>Images that the plan has room for.</summary>
    public int BatchCapacity { get; }

    /// <summary>Sizes and class rows.</summary>
    public MergeStep Step { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public MergeOptions Options { get; }

    /// <summary>
    /// Lets the next <see cref="Devices.VimDevice.Match"/> see the rows of an image in another order (spec 2.9). The plan that it makes is still one from the
    /// rows as they lie.
    /// </summary>
    /// <param name="image">Index in the batch.</param>
    /// <param name="rowAtPlace">For each place of the shuffled sequence the row that stands there; the class token keeps its place.</param>
    /// <exception cref="InvalidOperationException">The options do not shuffle.</exception>
    /// <exception cref="ArgumentException">Not a permutation of the rows, or it moves the class token.</exception>
    public void SetRowOrder(int image, ReadOnlySpan<int> rowAtPlace)
    {
        CheckImage(image);
        if (_seen.Length == 0) throw new InvalidOperationException("This plan does not shuffle; set MergeOptions.ShuffleRate above 0.");
        Array.Clear(_seen);
        foreach (int row in rowAtPlace)
            if ((uint)row < (uint)_seen.Length) _seen[row] = true;
        bool moved = Step.HasClassToken && rowAtPlace.Length > Step.ClassRowIn && rowAtPlace[Step.ClassRowIn] != Step.ClassRowIn;
        if (rowAtPlace.Length != Step.TokensIn || _seen.AsSpan().Contains(false) || moved)
            throw new ArgumentException($"The {rowAtPlace.Length} rows are no permutation of 0 … {Step.TokensIn - 1} that leaves row {Step.ClassRowIn}, the " +
                "class token, in its place.", nameof(rowAtPlace));
        rowAtPlace.CopyTo(_rowAtPlace.AsSpan(image * Step.TokensIn));
    }

    /// <summary>Copies the plan of one image out.</summary>
    /// <param name="image">Index in the batch.</param>
    /// <param name="destinations">For each of the <see cref="MergeStep.TokensIn"/> rows its row afterwards, or −1 where it was dropped.</param>
    /// <param name="weights">
    /// For each row the factor with which it enters that row: its size over the sum of the sizes there (over the largest or smallest one for
    /// <see cref="MergeCombination.Max"/>
    /// and <see cref="MergeCombination.Min"/>); 1 where it stays alone, 0 where it was dropped.
    /// </param>
    public abstract void Read(int image, Span<int> destinations, Span<float> weights);

    /// <summary>Frees the device memory.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The row that <see cref="Devices.VimDevice.Match"/> sees at a place: the row itself unless tokens are shuffled.</summary>
    protected internal int RowAtPlace(int image, int place) => _rowAtPlace.Length == 0 ? place : _rowAtPlace[image * Step.TokensIn + place];

    /// <summary>Throws where the plan has no such image.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has not.</exception>
    protected void CheckImage(int image)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(image);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(image, BatchCapacity);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}

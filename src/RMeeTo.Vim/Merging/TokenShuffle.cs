namespace RMeeTo.Vim.Merging;

/// <summary>
/// The shuffles before merges (spec 2.9): of the P patch rows ⌊P · rate⌋ are drawn and permuted among themselves. All merges of an image draw from one stream,
/// first to last.
/// </summary>
/// <param name="options">The rate.</param>
/// <param name="tokens">Longest sequence.</param>
internal sealed class TokenShuffle(MergeOptions options, int tokens)
{
    private readonly int[] _rowAtPlace = new int[tokens], _patches = new int[tokens], _drawn = new int[tokens];

    /// <summary>Sets the row order of one image in every plan.</summary>
    public void Apply(IReadOnlyList<MergePlan?> plans, int image, SampleKey key)
    {
        var random = key.Random(RandomPurpose.TokenShuffle);
        for (int i = 0; i < plans.Count; i++)
            if (plans[i] is { } plan) plan.SetRowOrder(image, Draw(plan.Step, ref random));
    }

    private ReadOnlySpan<int> Draw(MergeStep step, ref CounterRandom random)
    {
        Span<int> order = _rowAtPlace.AsSpan(0, step.TokensIn), patches = _patches.AsSpan(0, step.PatchRows);
        for (int row = 0; row < order.Length; row++) order[row] = row;
        for (int k = 0; k < patches.Length; k++) patches[k] = step.HasClassToken && k >= step.ClassRowIn ? k + 1 : k;
        random.Shuffle(patches);
        var places = patches[..(int)(patches.Length * options.ShuffleRate)];
        var rows = _drawn.AsSpan(0, places.Length);
        places.CopyTo(rows);
        random.Shuffle(rows);
        for (int i = 0; i < places.Length; i++) order[places[i]] = rows[i];
        return order;
    }
}

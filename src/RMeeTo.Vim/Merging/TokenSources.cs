namespace RMeeTo.Vim.Merging;

/// <summary>Follows every original token of one image through the merges: which row it is part of now.</summary>
public sealed class TokenSources
{
    private readonly int[] _rowOfToken;

    /// <summary>Before any merge: token j is row j.</summary>
    /// <param name="tokens">Original tokens, class token included.</param>
    public TokenSources(int tokens)
    {
        _rowOfToken = [.. Enumerable.Range(0, tokens)];
        Rows = tokens;
    }

    /// <summary>Rows of the current sequence.</summary>
    public int Rows { get; private set; }

    /// <summary>For each original token the row that it is part of now, or −1 where it was pruned.</summary>
    public ReadOnlySpan<int> RowOfToken => _rowOfToken;

    /// <summary>Applies a merge.</summary>
    /// <param name="destinations">For each current row its row afterwards, or −1 (<see cref="MergePlan.Read"/>).</param>
    /// <param name="rowsAfter">Rows afterwards.</param>
    /// <exception cref="ArgumentException">The plan is for another number of rows.</exception>
    public void Apply(ReadOnlySpan<int> destinations, int rowsAfter)
    {
        if (destinations.Length != Rows) throw new ArgumentException($"The plan is for {destinations.Length} rows; this image has {Rows} now.", nameof(destinations));
        foreach (ref int row in _rowOfToken.AsSpan())
            if (row >= 0) row = destinations[row];
        Rows = rowsAfter;
    }
}

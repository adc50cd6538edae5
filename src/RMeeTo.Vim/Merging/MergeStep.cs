namespace RMeeTo.Vim.Merging;

/// <summary>One merge: how many tokens it removes and where the class token stands before and after.</summary>
/// <remarks>
/// Under <see cref="MergeClassPosition.Exact"/> the class rows are those of the first merge's input and otherwise the formula's: every image has its own then.
/// </remarks>
/// <param name="Block">The merge happens at the entry of this block.</param>
/// <param name="TokensIn">Tokens before.</param>
/// <param name="Removed">Tokens removed, at least 1.</param>
/// <param name="ClassRowIn">Row of the class token before; −1 where there is none.</param>
/// <param name="ClassRowOut">Row of the class token after; −1 where there is none.</param>
public sealed record MergeStep(int Block, int TokensIn, int Removed, int ClassRowIn, int ClassRowOut)
{
    /// <summary>Tokens after.</summary>
    public int TokensOut => TokensIn - Removed;

    /// <summary>True where one row is the class token, which takes no part.</summary>
    internal bool HasClassToken => ClassRowIn >= 0;

    /// <summary>Rows that take part.</summary>
    internal int PatchRows => HasClassToken ? TokensIn - 1 : TokensIn;

    /// <summary>Of these, the ones at even places, which may go.</summary>
    internal int SourceRows => (PatchRows + 1) / 2;

    /// <summary>The ones at odd places, which receive.</summary>
    internal int PartnerRows => PatchRows / 2;
}

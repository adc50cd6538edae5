using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>
/// What one merge of a DeiT does to each image of a batch: for every row its row in the shorter sequence, or none, and its weight there. Rows at even places
/// may go, rows at
/// odd places receive; the class token, row 0, never goes.
/// </summary>
internal sealed class DeitMergePlan
{
    private readonly Candidate[] _candidates;
    private readonly float[] _sizes;
    private readonly float[] _merged;

    /// <param name="batchCapacity">Images to make room for.</param>
    /// <param name="tokensIn">L, rows before.</param>
    /// <param name="removed">r, at least 1.</param>
    /// <param name="options">How tokens are chosen and combined.</param>
    /// <param name="hasClassToken">False where row 0 is a token like the others.</param>
    public DeitMergePlan(int batchCapacity, int tokensIn, int removed, DeitMergeOptions options, bool hasClassToken = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchCapacity, 1);
        int most = (hasClassToken ? tokensIn - 1 : tokensIn) / 2;
        if (removed < 1 || removed > most)
            throw new ArgumentOutOfRangeException(nameof(removed), removed, $"A merge of {tokensIn} tokens removes from 1 to {most}.");
        (BatchCapacity, TokensIn, Removed, Options, HasClassToken) = (batchCapacity, tokensIn, removed, options, hasClassToken);
        Destinations = new int[batchCapacity * tokensIn];
        Weights = new double[batchCapacity * tokensIn];
        _candidates = new Candidate[(tokensIn + 1) / 2];
        Partners = new int[_candidates.Length];
        _sizes = new float[tokensIn];
        _merged = new float[TokensOut];
        Touched = new bool[TokensOut];
    }

    /// <summary>Images that the plan has room for.</summary>
    public int BatchCapacity { get; }

    /// <summary>L, rows before.</summary>
    public int TokensIn { get; }

    /// <summary>r.</summary>
    public int Removed { get; }

    /// <summary>L', rows after.</summary>
    public int TokensOut => TokensIn - Removed;

    /// <summary>How tokens are chosen and combined.</summary>
    public DeitMergeOptions Options { get; }

    /// <summary>Whether row 0 is protected.</summary>
    public bool HasClassToken { get; }

    /// <summary>Rows at even places.</summary>
    public int EvenCount => _candidates.Length;

    /// <summary>Rows at odd places.</summary>
    public int OddCount => TokensIn / 2;

    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public int[] Destinations { get; }

    /// <summary>[B, L]: share in that row; 0 where it was dropped.</summary>
    public double[] Weights { get; }

    /// <summary>Rows of a destination that already hold something; scratch of whoever carries the plan out.</summary>
    public bool[] Touched { get; }

    /// <summary>The best odd row of each even row.</summary>
    private int[] Partners { get; }

    /// <summary>Notes the most similar odd row of an even row. A similarity that is no number never wins.</summary>
    /// <param name="even">Index among the even rows.</param>
    /// <param name="partner">Index among the odd rows.</param>
    /// <param name="similarity">−∞ where there is none.</param>
    public void SetPartner(int even, int partner, double similarity)
    {
        Partners[even] = partner;
        _candidates[even] = new(HasClassToken && even == 0 ? double.NegativeInfinity : similarity, even);
    }

    /// <summary>Decides one image, once every even row has a partner.</summary>
    /// <param name="image">Index in the batch.</param>
    /// <param name="sizes">[B·L, 1]; none: every row stands for one token.</param>
    /// <param name="mergedSizes">[B·L', 1]; written.</param>
    public void Decide(int image, Devices.DeviceMatrix sizes, Devices.DeviceMatrix mergedSizes)
    {
        // Equal candidates keep the order of their rows, so an unstable sort will do.
        Array.Sort(_candidates);
        var destinations = Destinations.AsSpan(image * TokensIn, TokensIn);
        PlaceRows(destinations);
        if (sizes.IsNone) _sizes.AsSpan().Fill(1);
        else sizes.Buffer.Read(_sizes, sizes.Offset + (long)image * TokensIn);
        Weigh(destinations, Weights.AsSpan(image * TokensIn, TokensIn));
        mergedSizes.Buffer.Write(_merged, mergedSizes.Offset + (long)image * TokensOut);
    }

    private void PlaceRows(Span<int> destinations)
    {
        destinations.Clear();
        for (int i = 0; i < Removed; i++) destinations[2 * _candidates[i].Row] = -1;
        int next = 0;
        if (Options.Order == MergeOrder.Original) Number(destinations, 0, 1, ref next);
        else
        {
            // With a class token the unmerged rows are put back into their order, so that it stays in front; without one they are left by descending
            // similarity.
            if (HasClassToken) Number(destinations, 0, 2, ref next);
            else
                for (int i = Removed; i < EvenCount; i++) destinations[2 * _candidates[i].Row] = next++;
            Number(destinations, 1, 2, ref next);
        }
        if (Options.Reduction == MergeReduction.Prune) return;
        for (int i = 0; i < Removed; i++) destinations[2 * _candidates[i].Row] = destinations[2 * Partners[_candidates[i].Row] + 1];
    }

    /// <summary>Numbers every step-th row that stays.</summary>
    private static void Number(Span<int> destinations, int start, int step, ref int next)
    {
        for (int row = start; row < destinations.Length; row += step)
            if (destinations[row] >= 0) destinations[row] = next++;
    }

    private void Weigh(ReadOnlySpan<int> destinations, Span<double> weights)
    {
        Array.Clear(_merged);
        for (int row = 0; row < TokensIn; row++)
            if (destinations[row] >= 0) _merged[destinations[row]] += _sizes[row];
        for (int row = 0; row < TokensIn; row++) weights[row] = destinations[row] < 0 ? 0 : (double)_sizes[row] / _merged[destinations[row]];
    }

    /// <summary>An even row with the similarity of its partner; sorts by descending similarity, then by row.</summary>
    private readonly record struct Candidate(double Similarity, int Row) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other)
        {
            int order = other.Similarity.CompareTo(Similarity);
            return order != 0 ? order : Row.CompareTo(other.Row);
        }
    }
}

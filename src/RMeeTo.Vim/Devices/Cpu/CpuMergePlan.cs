using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// The decisions of a merge, and the steps by which they are found once similarities are known. A place is one in the sequence that matching sees, a row one in
/// the sequence as it lies; they differ only where tokens are shuffled. Patches count the places without the class token's: even ones may go, odd ones receive.
/// </summary>
internal sealed unsafe class CpuMergePlan : MergePlan
{
    private const int RowBits = 31;

    private readonly SimdWidth _width;
    private readonly int[] _partner, _members, _nearestOdd;
    private readonly float[] _similarity, _nearest;
    private readonly ulong[] _ranking;
    private int _image, _classPlace;

    public CpuMergePlan(int batchCapacity, MergeStep step, MergeOptions options, SimdWidth width) : base(batchCapacity, step, options)
    {
        _width = width;
        Destinations = new int[batchCapacity * step.TokensIn];
        Weights = new float[batchCapacity * step.TokensIn];
        ClassRowOut = new int[batchCapacity];
        Touched = new bool[step.TokensOut];
        (_partner, _similarity, _ranking) = (new int[EvenCount], new float[EvenCount], new ulong[EvenCount]);
        (_nearest, _nearestOdd, _members) = (new float[options.PartnerRank], new int[options.PartnerRank], new int[step.TokensOut]);
    }

    /// <summary>Patches that may go.</summary>
    public int EvenCount => Step.SourceRows;

    /// <summary>Patches that receive.</summary>
    public int OddCount => Step.PartnerRows;

    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public int[] Destinations { get; }

    /// <summary>[B, L]: factor in that row.</summary>
    public float[] Weights { get; }

    /// <summary>[B]: class row afterwards; −1 where there is none.</summary>
    public int[] ClassRowOut { get; }

    /// <summary>Rows of a destination that already hold something.</summary>
    public bool[] Touched { get; }

    /// <summary>Normalised odd rows, packed as the right side of a product. Made at first use, when the width of the metric is known.</summary>
    public PackedMatrix? OddRows { get; private set; }

    private Span<int> ImageDestinations => Destinations.AsSpan(_image * Step.TokensIn, Step.TokensIn);

    /// <summary>Turns to an image of the batch.</summary>
    /// <param name="image">Index.</param>
    /// <param name="previous">The merge before, for images with class rows of their own.</param>
    public void Begin(int image, CpuMergePlan? previous)
    {
        bool exact = Options.ClassPosition == MergeClassPosition.Exact;
        (_image, _classPlace) = (image, exact && previous is not null ? previous.ClassRowOut[image] : Step.ClassRowIn);
    }

    /// <summary>The row of the metric that the k-th patch is compared by.</summary>
    public int MetricRowOfPatch(int k) => Options.MetricFollowsTokens ? RowOfPatch(k) : PlaceOfPatch(k);

    public PackedMatrix EnsureOddRows(int channels)
    {
        if (OddRows is { } ready && ready.Steps == channels) return ready;
        var packed = new PackedMatrix(OddCount, channels, PackedFor.Output, _width);
        OddRows?.Dispose();
        return OddRows = packed;
    }

    /// <summary>Notes partner and similarity of an even patch. What is no number is never above −∞.</summary>
    /// <param name="even">Index among the even patches.</param>
    /// <param name="similarities">To every odd patch.</param>
    public void TakePartner(int even, ReadOnlySpan<float> similarities)
    {
        if (Options.PartnerRank > 1)
        {
            (_similarity[even], _partner[even]) = KthBest(similarities);
            return;
        }
        var (best, partner) = (float.NegativeInfinity, 0);
        for (int odd = 0; odd < similarities.Length; odd++)
            if (similarities[odd] > best) (best, partner) = (similarities[odd], odd);
        (_similarity[even], _partner[even]) = (best, partner);
    }

    /// <summary>Sorts the even patches: those that may go before those that stay, by descending similarity; ties go to the lowest patch.</summary>
    public void Rank()
    {
        int n = Options.ProtectedNeighbours;
        for (int even = 0; even < EvenCount; even++)
        {
            bool stays = n > 0 && Math.Abs(PlaceOfPatch(2 * even) - _classPlace) <= n;
            _ranking[even] = (stays ? 1UL << 63 : 0) | (ulong)~Ascending(_similarity[even]) << RowBits | (uint)even;
        }
        Array.Sort(_ranking);
    }

    /// <summary>Gives every row its row in the shorter sequence.</summary>
    public void PlaceRows()
    {
        var destinations = ImageDestinations;
        destinations.Fill(-1);
        int next = 0, classRow = Step.ClassRowOut; // −1, and so never reached, where there is no class token
        if (Options.Order == MergeOrder.Original)
        {
            const int leaves = -2;
            for (int i = 0; i < Step.Removed; i++) destinations[RowOfPatch(2 * Ranked(i))] = leaves;
            bool exact = Options.ClassPosition == MergeClassPosition.Exact;
            if (exact) classRow = int.MaxValue;
            for (int place = 0; place < Step.TokensIn; place++)
            {
                if (place == _classPlace)
                {
                    if (exact) classRow = next++;
                    continue;
                }
                ref int destination = ref destinations[RowAtPlace(_image, place)];
                destination = destination == leaves ? -1 : NextRow();
            }
        }
        else
        {
            for (int i = Step.Removed; i < EvenCount; i++) destinations[RowOfPatch(2 * Ranked(i))] = NextRow();
            for (int k = 0; k < OddCount; k++) destinations[RowOfPatch(2 * k + 1)] = NextRow();
        }
        if (Step.HasClassToken) destinations[_classPlace] = classRow;
        ClassRowOut[_image] = classRow;
        if (Options.Reduction == MergeReduction.Prune) return;
        for (int i = 0; i < Step.Removed; i++) destinations[RowOfPatch(2 * Ranked(i))] = destinations[RowOfPatch(2 * _partner[Ranked(i)] + 1)];

        int NextRow()
        {
            if (next == classRow) next++;
            return next++;
        }
    }

    /// <summary>Sizes afterwards, and each row's factor in the row that it goes to (spec 2.4). No sizes: every row counts once.</summary>
    public void Weigh(float* sizes, int sizeStride, float* merged, int mergedStride)
    {
        Span<int> destinations = ImageDestinations;
        Span<float> weights = Weights.AsSpan(_image * Step.TokensIn, Step.TokensIn);
        Array.Clear(_members);
        for (int row = 0; row < destinations.Length; row++)
        {
            float size = weights[row] = sizes == null ? 1 : sizes[(long)row * sizeStride];
            if (destinations[row] < 0) continue;
            ref float together = ref merged[(long)destinations[row] * mergedStride];
            if (_members[destinations[row]]++ == 0) together = size;
            else if (Options.Combination == MergeCombination.Max) together = MathF.Max(together, size);
            else if (Options.Combination == MergeCombination.Min) together = MathF.Min(together, size);
            else together += size;
        }
        for (int row = 0; row < destinations.Length; row++)
            weights[row] = destinations[row] < 0 ? 0 : weights[row] / merged[(long)destinations[row] * mergedStride];
        if (Options.Combination != MergeCombination.Mean) return;
        for (int row = 0; row < _members.Length; row++) merged[(long)row * mergedStride] /= _members[row];
    }

    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        CheckImage(image);
        Destinations.AsSpan(image * Step.TokensIn, Step.TokensIn).CopyTo(destinations);
        Weights.AsSpan(image * Step.TokensIn, Step.TokensIn).CopyTo(weights);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) OddRows?.Dispose();
    }

    private int PlaceOfPatch(int k) => _classPlace < 0 || k < _classPlace ? k : k + 1;

    private int RowOfPatch(int k) => RowAtPlace(_image, PlaceOfPatch(k));

    private int Ranked(int i) => (int)(_ranking[i] & (1UL << RowBits) - 1);

    /// <summary>Floats in an order in which unsigned integers sort; adding 0 makes −0 the same as 0.</summary>
    private static uint Ascending(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }

    /// <summary>The k-th largest similarity and its patch: a sorted list of the k best so far, in which equals keep their order.</summary>
    private (float Similarity, int Odd) KthBest(ReadOnlySpan<float> similarities)
    {
        int last = _nearest.Length - 1, count = 0;
        for (int odd = 0; odd < similarities.Length; odd++)
        {
            float similarity = similarities[odd] > float.NegativeInfinity ? similarities[odd] : float.NegativeInfinity;
            if (count > last && !(similarity > _nearest[last])) continue;
            int at = count > last ? last : count++;
            for (; at > 0 && _nearest[at - 1] < similarity; at--) (_nearest[at], _nearestOdd[at]) = (_nearest[at - 1], _nearestOdd[at - 1]);
            (_nearest[at], _nearestOdd[at]) = (similarity, odd);
        }
        return (_nearest[last], _nearestOdd[last]);
    }
}

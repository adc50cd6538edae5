using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>The decisions of a merge, and the scratch with which they are found.</summary>
internal sealed class CpuMergePlan : MergePlan
{
    private readonly SimdWidth _width;

    public CpuMergePlan(int batchCapacity, MergeStep step, MergeOptions options, SimdWidth width) : base(batchCapacity, step, options)
    {
        _width = width;
        EvenCount = step.TokensIn / 2;
        OddCount = (step.TokensIn - 1) / 2;
        Destinations = new int[batchCapacity * step.TokensIn];
        Weights = new float[batchCapacity * step.TokensIn];
        Partner = new int[EvenCount];
        Ranking = new ulong[EvenCount];
        OddIsUsable = new bool[OddCount];
        Touched = new bool[step.TokensOut];
    }

    /// <summary>Rows at even places once the class row is taken out: the ones that may go.</summary>
    public int EvenCount { get; }

    /// <summary>Rows at odd places: the ones that receive.</summary>
    public int OddCount { get; }

    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public int[] Destinations { get; }

    /// <summary>[B, L]: share in that row.</summary>
    public float[] Weights { get; }

    /// <summary>The best odd row of each even row.</summary>
    public int[] Partner { get; }

    /// <summary>Even rows by descending similarity; the row is in the low half.</summary>
    public ulong[] Ranking { get; }

    /// <summary>False for rows without a direction, such as zeros.</summary>
    public bool[] OddIsUsable { get; }

    /// <summary>Rows of a destination that already hold something.</summary>
    public bool[] Touched { get; }

    /// <summary>Normalised odd rows, packed as the right side of a product. Made at first use, when the width of the metric is known.</summary>
    public PackedMatrix? OddRows { get; private set; }

    /// <summary>The row of the sequence that is the k-th once the class row is taken out.</summary>
    public int RowOfPatch(int k) => k < Step.ClassRowIn ? k : k + 1;

    public PackedMatrix EnsureOddRows(int channels)
    {
        if (OddRows is { } ready && ready.Steps == channels) return ready;
        var packed = new PackedMatrix(OddCount, channels, PackedFor.Output, _width);
        OddRows?.Dispose();
        return OddRows = packed;
    }

    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(image);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(image, BatchCapacity);
        Destinations.AsSpan(image * Step.TokensIn, Step.TokensIn).CopyTo(destinations);
        Weights.AsSpan(image * Step.TokensIn, Step.TokensIn).CopyTo(weights);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) OddRows?.Dispose();
    }
}

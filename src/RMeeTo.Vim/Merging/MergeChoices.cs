namespace RMeeTo.Vim.Merging;

/// <summary>What happens to a token that is chosen at a merge.</summary>
public enum MergeReduction
{
    /// <summary>It is combined with its partner (<see cref="MergeOptions.Combination"/>).</summary>
    Merge,

    /// <summary>It is dropped.</summary>
    Prune,
}

/// <summary>The order of the tokens after a merge.</summary>
public enum MergeOrder
{
    /// <summary>The order of the image: what a scan needs (paper: ordered).</summary>
    Original,

    /// <summary>
    /// The odd–even order of token merging for transformers: unmerged tokens by descending similarity, then all partners. For comparison only.
    /// </summary>
    OddEven,
}

/// <summary>What tokens are compared by; all come from the mixer of the block before the merge.</summary>
public enum MergeMetric
{
    /// <summary>The mixer's output [L, C] (official name <c>X</c>).</summary>
    HiddenState,

    /// <summary>The input matrix of the scans, B [L, N], of both directions.</summary>
    B,

    /// <summary>The output matrix of the scans, C [L, N], of both directions.</summary>
    C,

    /// <summary>The time step Δ [L, D] of both directions before bias and softplus (official name <c>delta</c>).</summary>
    Delta,
}

/// <summary>
/// How the values of the two scan directions make one metric of <see cref="MergeMetric.B"/>, <see cref="MergeMetric.C"/> or <see cref="MergeMetric.Delta"/>.
/// </summary>
public enum MetricAlignment
{
    /// <summary>
    /// Forward and backward value of the same token and channel are added (averaged where <see cref="VimConfig.AverageDirections"/>), and follow the token in a
    /// shuffle.
    /// </summary>
    Token,

    /// <summary>
    /// As the published code does: to the forward value of token t and channel c comes the backward value of token L−1−t and channel n−1−c, for it turns the
    /// channels round where it means the tokens; and a shuffle leaves the metric where it was. For comparison with published numbers only.
    /// </summary>
    Reference,
}

/// <summary>How far two tokens are apart; all compare rows of length 1.</summary>
public enum MergeDistance
{
    /// <summary>Cosine of the angle.</summary>
    Cosine,

    /// <summary>−Σ |a − b|.</summary>
    L1,

    /// <summary>−‖a − b‖₂. As ‖a − b‖² = 2 − 2 cos, it ranks pairs exactly as <see cref="Cosine"/> does.</summary>
    L2,
}

/// <summary>How tokens that meet become one; σ is how many original tokens each stands for.</summary>
public enum MergeCombination
{
    /// <summary>Σ σv / Σ σ; sizes are added (official mode <c>sum</c>).</summary>
    Sum,

    /// <summary>Σ σv / Σ σ; sizes are averaged, and so remain 1: later merges take plain means of means (official mode <c>mean</c>).</summary>
    Mean,

    /// <summary>max σv / max σ, channel by channel; the largest size remains (official mode <c>amax</c>).</summary>
    Max,

    /// <summary>min σv / min σ, channel by channel; the smallest size remains (official mode <c>amin</c>).</summary>
    Min,
}

/// <summary>Where the class token stands after a merge.</summary>
public enum MergeClassPosition
{
    /// <summary>The paper's: its row, scaled by the new length and rounded down. The same for every image; patches may change sides.</summary>
    Formula,

    /// <summary>Between the surviving neighbours that it had, image by image. In original order only.</summary>
    Exact,
}

/// <summary>Which blocks a schedule of an interval merges at.</summary>
public enum MergePhase
{
    /// <summary>Where block mod interval = 0, the first block excepted: 2, 4, 6, … (paper).</summary>
    Even,

    /// <summary>Where (block + 1) mod interval = 0, the first block excepted: 1, 3, 5, … .</summary>
    Odd,
}

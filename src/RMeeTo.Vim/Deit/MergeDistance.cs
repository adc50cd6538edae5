namespace RMeeTo.Vim.Deit;

/// <summary>How the similarity of two tokens follows from their metric, normalised to length 1.</summary>
public enum MergeDistance
{
    /// <summary>Cosine of the angle.</summary>
    Cosine,

    /// <summary>−Σ |a − b|.</summary>
    L1,

    /// <summary>−‖a − b‖₂. As ‖a − b‖² = 2 − 2 cos, it ranks pairs exactly as <see cref="Cosine"/> does.</summary>
    L2,
}

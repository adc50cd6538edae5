namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Some of the lanes into which every batch is cut, one after the other. A run of one process computes all of them; of several processes each computes some,
/// and the sum of the lanes, in their order, is the same.
/// </summary>
/// <param name="First">First lane.</param>
/// <param name="End">The lane after the last.</param>
/// <param name="Lanes">Lanes of the whole batch.</param>
internal readonly record struct LaneRange(int First, int End, int Lanes)
{
    /// <summary>Every lane.</summary>
    public static LaneRange All(int lanes) => new(0, lanes, lanes);

    /// <summary>Number of these lanes.</summary>
    public int Count => End - First;

    /// <summary>The images of one lane in a batch; lanes differ by at most one image.</summary>
    public (int First, int End) ImagesOf(int lane, int batch) => ((int)((long)batch * lane / Lanes), (int)((long)batch * (lane + 1) / Lanes));

    /// <summary>The images of these lanes in a batch.</summary>
    public (int First, int End) Images(int batch) => (ImagesOf(First, batch).First, ImagesOf(End, batch).First);
}

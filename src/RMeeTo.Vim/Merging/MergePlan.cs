namespace RMeeTo.Vim.Merging;

/// <summary>
/// What one merge does to each image of a batch, in a device's memory: for every row its row in the shorter sequence, or none, and its weight there. Filled by
/// <see cref="Devices.VimDevice.Match"/>; one plan serves the hidden state, the residual, the sizes, the sources and the gradients.
/// </summary>
public abstract class MergePlan(int batchCapacity, MergeStep step, MergeOptions options) : IDisposable
{
    /// <summary>Images that the plan has room for.</summary>
    public int BatchCapacity { get; } = batchCapacity;

    /// <summary>Sizes and class rows.</summary>
    public MergeStep Step { get; } = step;

    /// <summary>How tokens are chosen and combined.</summary>
    public MergeOptions Options { get; } = options;

    /// <summary>Copies the plan of one image out.</summary>
    /// <param name="image">Index in the batch.</param>
    /// <param name="destinations">For each of the <see cref="MergeStep.TokensIn"/> rows its row afterwards, or −1 where it was dropped.</param>
    /// <param name="weights">For each row its share in that row: its size over the sum of the sizes there; 1 where it stays alone, 0 where it was dropped.</param>
    public abstract void Read(int image, Span<int> destinations, Span<float> weights);

    /// <summary>Frees the device memory.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}

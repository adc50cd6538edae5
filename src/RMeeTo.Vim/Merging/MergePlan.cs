namespace RMeeTo.Vim.Merging;

/// <summary>
/// What one merge does to each image of a batch, in a device's memory: for every row its row in the shorter sequence, or none, and its weight there. Filled by
/// <see cref="Devices.VimDevice.Match"/>; one plan serves the hidden state, the residual, the sizes, the sources and the gradients.
/// </summary>
public abstract class MergePlan : IDisposable
{
    /// <summary>Checks that the step can be carried out: devices index their memory by it.</summary>
    /// <param name="batchCapacity">Images to make room for, at least 1.</param>
    /// <param name="step">From 1 to half of the patch tokens go; the class rows lie inside the two sequences.</param>
    /// <param name="options">How tokens are chosen and combined.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="batchCapacity"/> is less than 1.</exception>
    /// <exception cref="ArgumentException"><paramref name="step"/> contradicts itself.</exception>
    protected MergePlan(int batchCapacity, MergeStep step, MergeOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchCapacity, 1);
        ArgumentNullException.ThrowIfNull(step);
        ArgumentNullException.ThrowIfNull(options);
        if (step.Removed < 1 || step.Removed > (step.TokensIn - 1) / 2)
            throw new ArgumentException($"{step} removes {step.Removed} of {step.TokensIn} tokens; a merge removes from 1 to half of the patch tokens, {(step.TokensIn - 1) / 2}.", nameof(step));
        if ((uint)step.ClassRowIn >= (uint)step.TokensIn || (uint)step.ClassRowOut >= (uint)step.TokensOut)
            throw new ArgumentException($"{step} has class row {step.ClassRowIn} of {step.TokensIn} tokens before and {step.ClassRowOut} of {step.TokensOut} after; rows count from 0.", nameof(step));
        (BatchCapacity, Step, Options) = (batchCapacity, step, options);
    }

    /// <summary>Images that the plan has room for.</summary>
    public int BatchCapacity { get; }

    /// <summary>Sizes and class rows.</summary>
    public MergeStep Step { get; }

    /// <summary>How tokens are chosen and combined.</summary>
    public MergeOptions Options { get; }

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

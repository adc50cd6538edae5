using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>Plan of <see cref="ReferenceDevice"/>.</summary>
internal sealed class ReferenceMergePlan(int batchCapacity, MergeStep step, MergeOptions options) : MergePlan(batchCapacity, step, options)
{
    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public int[,] Destinations { get; } = new int[batchCapacity, step.TokensIn];

    /// <summary>[B, L]: share in that row; 0 for a dropped row.</summary>
    public double[,] Weights { get; } = new double[batchCapacity, step.TokensIn];

    /// <inheritdoc/>
    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        for (int row = 0; row < Step.TokensIn; row++)
            (destinations[row], weights[row]) = (Destinations[image, row], (float)Weights[image, row]);
    }
}

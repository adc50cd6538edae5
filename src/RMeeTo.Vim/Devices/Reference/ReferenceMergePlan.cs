using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>Plan of <see cref="ReferenceDevice"/>.</summary>
internal sealed class ReferenceMergePlan : MergePlan
{
    public ReferenceMergePlan(int batchCapacity, MergeStep step, MergeOptions options) : base(batchCapacity, step, options)
    {
        Destinations = new int[batchCapacity, step.TokensIn];
        Weights = new double[batchCapacity, step.TokensIn];
        ClassRowOut = new int[batchCapacity];
    }

    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public int[,] Destinations { get; }

    /// <summary>[B, L]: factor in that row; 0 for a dropped row.</summary>
    public double[,] Weights { get; }

    /// <summary>[B]: class row afterwards; −1 where there is none.</summary>
    public int[] ClassRowOut { get; }

    /// <inheritdoc/>
    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        CheckImage(image);
        for (int row = 0; row < Step.TokensIn; row++)
            (destinations[row], weights[row]) = (Destinations[image, row], (float)Weights[image, row]);
    }
}

using System.Runtime.InteropServices;
using RMeeTo.Vim.Merging;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// The decisions of a merge as tensors: for every row its row afterwards, and the rows of every image in the order of where they go, by which sums are formed
/// without two additions to one place at once. A flat row counts through the whole batch.
/// </summary>
internal sealed class TorchMergePlan : MergePlan
{
    private readonly List<Tensor> _tensors = [];

    public TorchMergePlan(int batchCapacity, MergeStep step, MergeOptions options, Device device) : base(batchCapacity, step, options)
    {
        Device = device;
        using var scope = NewDisposeScope();
        Destinations = Own(batchCapacity, step.TokensIn);
        Weights = Own(empty([batchCapacity, step.TokensIn], ScalarType.Float32, device));
        ClassRows = Own(batchCapacity, 1);
        SortedDestinations = Own(batchCapacity, step.TokensIn);
        SortedRows = Own(batchCapacity, step.TokensIn);
        SortedEnds = Own(batchCapacity, step.TokensOut);
        FlatDestinations = Own(batchCapacity, step.TokensIn);
        FlatClassRows = Own(batchCapacity, 1);
        Places = Own(TensorMath.Range(step.TokensIn, device));
        FirstRows = Own(TensorMath.Range(batchCapacity, device).TimesWhole(step.TokensIn).unsqueeze(1));
        FirstRowsOut = Own(TensorMath.Range(batchCapacity, device).TimesWhole(step.TokensOut).unsqueeze(1));
        ClassPlace = Own(empty([1, 1], ScalarType.Int64, device).Fill(step.HasClassToken ? step.ClassRowIn : step.TokensIn));
        ClassPlaceOut = Own(empty([1, 1], ScalarType.Int64, device).Fill(step.HasClassToken ? step.ClassRowOut : step.TokensOut));
    }

    /// <summary>Where its tensors are.</summary>
    public Device Device { get; }

    /// <summary>[B, L]: row afterwards, or −1.</summary>
    public Tensor Destinations { get; }

    /// <summary>[B, L]: factor in that row; 0 for a dropped row.</summary>
    public Tensor Weights { get; }

    /// <summary>[B, 1]: class row afterwards.</summary>
    public Tensor ClassRows { get; }

    /// <summary>[B, L], ascending: the row afterwards, L' for dropped rows.</summary>
    public Tensor SortedDestinations { get; }

    /// <summary>[B, L], flat: the rows in that order; rows of one destination in their own.</summary>
    public Tensor SortedRows { get; }

    /// <summary>[B, L'], flat: the last place in that order of every row afterwards.</summary>
    public Tensor SortedEnds { get; }

    /// <summary>[B, L], flat: row afterwards, the first one of the image for dropped rows.</summary>
    public Tensor FlatDestinations { get; }

    /// <summary>[B, 1], flat.</summary>
    public Tensor FlatClassRows { get; }

    /// <summary>0 … L − 1</summary>
    public Tensor Places { get; }

    /// <summary>[B, 1]: the flat row of the first row of every image.</summary>
    public Tensor FirstRows { get; }

    /// <summary>The same afterwards.</summary>
    public Tensor FirstRowsOut { get; }

    /// <summary>[1, 1]: the class token's place by the step; L where there is none.</summary>
    public Tensor ClassPlace { get; }

    /// <summary>[1, 1]: the same afterwards, by the formula; L' where there is none.</summary>
    public Tensor ClassPlaceOut { get; }

    /// <summary>Most rows that can share a row afterwards.</summary>
    public int MostMembers => Options.Reduction == MergeReduction.Merge ? Step.Removed + 1 : 1;

    /// <summary>[B, L]: the rows at the places of the shuffled sequences, copied from the host.</summary>
    public Tensor RowsAtPlaces(int batch)
    {
        Tensor host = empty([batch, Step.TokensIn], ScalarType.Int64, CPU);
        var rows = MemoryMarshal.Cast<byte, long>(host.bytes);
        for (int i = 0; i < rows.Length; i++) rows[i] = RowAtPlace(i / Step.TokensIn, i % Step.TokensIn);
        return host.to(Device.type, Device.index);
    }

    /// <inheritdoc/>
    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        CheckImage(image);
        using var scope = NewDisposeScope();
        Tensor rows = Destinations.select(0, image).cpu(), factors = Weights.select(0, image).cpu();
        var row = MemoryMarshal.Cast<byte, long>(rows.bytes);
        for (int i = 0; i < row.Length; i++) destinations[i] = (int)row[i];
        MemoryMarshal.Cast<byte, float>(factors.bytes).CopyTo(weights);
        GC.KeepAlive(rows);
        GC.KeepAlive(factors);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _tensors.ForEach(tensor => tensor.Dispose());
    }

    private Tensor Own(long rows, long columns) => Own(empty([rows, columns], ScalarType.Int64, Device));

    private Tensor Own(Tensor tensor)
    {
        _tensors.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }
}

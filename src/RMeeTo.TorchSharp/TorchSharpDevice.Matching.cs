using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// Deciding a merge (spec 2.2, 2.3, 2.9), all images at once and without a look at a result on the host. A place is one in the sequence that matching sees, a
// row one in the sequence as it lies; they differ only where tokens are shuffled. Patches count the places without the class token's: even ones may go, odd
// ones receive.
public sealed partial class TorchSharpDevice
{
    /// <summary>Similarities of all images at once at most, unless one row of each has more; less in tests.</summary>
    internal long SimilarityValues { get; init; } = 1 << 26;

    /// <inheritdoc/>
    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) =>
        new TorchMergePlan(batchCapacity, step, options, _device);

    /// <inheritdoc/>
    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false)
    {
        using var scope = NewDisposeScope();
        int length = TokensPerImage(values, batch, nameof(values));
        Tensor from = Images(values, batch, length, values.Columns, nameof(values)), to = Images(metric, batch, length, values.Columns, nameof(metric));
        Tensor result = from.Times(factor);
        Put(to, placement == MetricPlacement.Turned ? result.flip(1, 2) : result, accumulate);
    }

    /// <inheritdoc/>
    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        using var scope = NewDisposeScope();
        var (filled, step) = (Filled(batch, plan), plan.Step);
        Tensor metric = View(operands.Metric, batch * step.TokensIn, operands.Metric.Columns, nameof(operands.Metric));
        Tensor merged = Images(mergedSizes, batch, step.TokensOut, 1, nameof(mergedSizes));
        Tensor sizes = ImagesOrNull(operands.Sizes, batch, step.TokensIn, 1, nameof(operands.Sizes))
            ?? empty([batch, step.TokensIn, 1], ScalarType.Float32, _device).FillOnes();
        var previous = plan.Options.ClassPosition == MergeClassPosition.Exact && operands.Previous is { } before ? Filled(batch, before) : null;

        var choice = new MergeChoice(filled, batch, previous);
        var (similarity, partner) = FindPartners(choice, metric);
        Tensor ranked = choice.Rank(similarity);
        Tensor removed = ranked.narrow(1, 0, step.Removed), kept = ranked.narrow(1, step.Removed, step.SourceRows - step.Removed);
        choice.Place(removed, kept, partner);
        choice.SortRows();
        Weigh(filled, batch, sizes, merged);
    }

    /// <summary>The similarity of every even patch to its best, or k-th best, odd one, and the index of that among the odd ones: both [B, even].</summary>
    private (Tensor Similarity, Tensor Partner) FindPartners(MergeChoice choice, Tensor metric)
    {
        var (step, rank) = (choice.Plan.Step, choice.Plan.Options.PartnerRank);
        Tensor odd = Directions(metric, choice.MetricRows(first: 1, step.PartnerRows));
        Tensor evenRows = choice.MetricRows(first: 0, step.SourceRows);
        long[] shape = [choice.Batch, step.SourceRows];
        Tensor best = empty(shape, ScalarType.Float32, _device), partner = empty(shape, ScalarType.Int64, _device);
        int atOnce = (int)Math.Clamp(SimilarityValues / ((long)choice.Batch * step.PartnerRows), 1, step.SourceRows);
        for (int start = 0; start < step.SourceRows; start += atOnce)
        {
            using var part = NewDisposeScope();
            int count = Math.Min(atOnce, step.SourceRows - start);
            Tensor even = Directions(metric, evenRows.narrow(1, start, count));
            // Rows of length 1 are ranked alike by cosine and by Euclidean distance.
            Tensor similarity = choice.Plan.Options.Distance == MergeDistance.L1
                ? cdist(even, odd, 1).neg()
                : MultiplyExactly(even, odd.transpose(1, 2));
            similarity.nan_to_num_(double.NegativeInfinity, double.NegativeInfinity, double.NegativeInfinity);
            // The first of equals wins, by the word of libtorch for the maximum and because the sort is stable.
            var (values, indexes) = rank == 1 ? similarity.max(2, keepdim: true) : similarity.sort(2, descending: true, stable: true);
            best.narrow(1, start, count).copy_(values.select(2, rank - 1));
            partner.narrow(1, start, count).copy_(indexes.select(2, rank - 1));
        }
        return (best, partner);
    }

    /// <summary>
    /// Rows of a metric [B·L, C], scaled to length 1: [B, n, C]. NaN throughout where a row has no direction, and then whatever is computed of it.
    /// </summary>
    private static Tensor Directions(Tensor metric, Tensor flatRows)
    {
        Tensor rows = metric.index_select(0, flatRows.reshape(-1));
        Tensor length = rows.Squared().sum(1, keepdim: true).sqrt_();
        length.NaNWhere(length.isinf());
        return rows.div_(length).view(flatRows.shape[0], flatRows.shape[1], metric.shape[1]); // 0 / 0 is NaN
    }

    /// <summary>Sizes afterwards, and each row's factor in the row that it goes to (spec 2.4).</summary>
    private void Weigh(TorchMergePlan plan, int batch, Tensor sizes, Tensor merged)
    {
        var segments = new Segments(plan, batch, _zero);
        var combination = plan.Options.Combination;
        bool largest = combination == MergeCombination.Max, one = largest || combination == MergeCombination.Min;
        Tensor sorted = segments.Sort(sizes);
        Tensor divisor = one ? segments.Extreme(sorted, largest, withRows: false).Values : segments.Sum(sorted);
        merged.copy_(divisor);
        if (combination == MergeCombination.Mean) merged.div_(segments.Sum(empty_like(sorted).FillOnes()));
        Tensor weights = sizes.div(segments.Spread(divisor)).ClearWhere(segments.Dropped);
        plan.Weights.narrow(0, 0, batch).copy_(weights.squeeze(2));
    }

    private TorchMergePlan Filled(int batch, MergePlan plan)
    {
        if (plan is not TorchMergePlan filled) throw new ArgumentException("The plan was made by another kind of device.", nameof(plan));
        if (!IsHere(filled.Device)) throw new ArgumentException($"The plan lies on {filled.Device}, and this device is {_device}.", nameof(plan));
        if (batch < 1 || batch > plan.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The plan has room for 1 to {plan.BatchCapacity} images.");
        return filled;
    }
}

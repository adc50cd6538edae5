using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// Deciding a merge, spec 2.2, 2.3 and 2.9.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false)
    {
        var (from, to) = (Of(values, values.Rows, values.Columns), Of(metric, values.Rows, values.Columns));
        int length = TokensPerImage(values, batch, nameof(values));
        for (int row = 0; row < from.Rows; row++)
            for (int c = 0; c < from.Columns; c++)
            {
                bool turned = placement == MetricPlacement.Turned;
                int token = row % length, target = turned ? length - 1 - token : token;
                Put(ref to[row - token + target, turned ? from.Columns - 1 - c : c], factor * from[row, c], accumulate);
            }
    }

    /// <inheritdoc/>
    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        var metric = Of(operands.Metric, batch * step.TokensIn, operands.Metric.Columns);
        var (sizes, merged) = (OfOptional(operands.Sizes, batch * step.TokensIn, 1), Of(mergedSizes, batch * step.TokensOut, 1));
        for (int image = 0; image < batch; image++)
        {
            bool exact = plan.Options.ClassPosition == MergeClassPosition.Exact;
            int classRow = exact && operands.Previous is { } previous ? Filled(batch, previous).ClassRowOut[image] : step.ClassRowIn;
            var choice = new Choice(filled, image, classRow);
            var pairs = choice.Pair(metric);
            int[] destinations = choice.Place(pairs);
            filled.ClassRowOut[image] = step.HasClassToken ? destinations[classRow] : -1;
            Weigh(filled, image, destinations, sizes, merged);
        }
    }

    /// <summary>Which rows of an image go into which, and the even rows that stay, in order of rank.</summary>
    private sealed record Pairs(IReadOnlyList<(int Source, int Partner)> Merged, IReadOnlyList<int> UnmergedEven, IReadOnlyList<int> Odd);

    /// <summary>
    /// One image. A place is one in the sequence that matching sees, a row one in the sequence as it lies; they differ only where tokens are shuffled.
    /// </summary>
    private sealed class Choice(ReferenceMergePlan plan, int image, int classPlace)
    {
        private readonly MergeOptions _options = plan.Options;
        private readonly MergeStep _step = plan.Step;
        private readonly int[] _patches = [.. Enumerable.Range(0, plan.Step.TokensIn).Where(place => place != classPlace)];

        private int Row(int place) => plan.RowAtPlace(image, place);

        public Pairs Pair(ReferenceMatrix metric)
        {
            int[] even = [.. _patches.Where((_, i) => i % 2 == 0)], odd = [.. _patches.Where((_, i) => i % 2 == 1)];
            double[][] units = [.. Enumerable.Range(0, _step.TokensIn).Select(place => Unit(metric, place))];
            // Sorts are stable: the lowest partner, or row, wins a tie.
            var ranked = even
                .Select(place =>
                {
                    var partners = odd.Select(o => (Place: o, Similarity: Similarity(units[place], units[o]))).OrderByDescending(o => o.Similarity);
                    var (partner, similarity) = partners.ElementAt(_options.PartnerRank - 1);
                    return (Place: place, Partner: partner, Similarity: similarity);
                })
                .OrderBy(p => IsProtected(p.Place) ? 1 : 0).ThenByDescending(p => p.Similarity).ToArray();
            return new([.. ranked.Take(_step.Removed).Select(p => (p.Place, p.Partner))], [.. ranked.Skip(_step.Removed).Select(p => p.Place)], odd);
        }

        /// <summary>True next to the class token.</summary>
        private bool IsProtected(int place)
        {
            int n = _options.ProtectedNeighbours;
            return n > 0 && Math.Abs(place - classPlace) <= n;
        }

        /// <summary>The metric of a place, scaled to length 1; NaN where it has no direction.</summary>
        private double[] Unit(ReferenceMatrix metric, int place)
        {
            int row = image * _step.TokensIn + (_options.MetricFollowsTokens ? Row(place) : place);
            double[] values = [.. Enumerable.Range(0, metric.Columns).Select(c => metric[row, c])];
            double length = Math.Sqrt(values.Sum(Square));
            return [.. values.Select(v => v / length)];
        }

        private double Similarity(double[] a, double[] b)
        {
            double similarity = _options.Distance switch
            {
                MergeDistance.L1 => -a.Zip(b, (x, y) => Math.Abs(x - y)).Sum(),
                MergeDistance.L2 => -Math.Sqrt(a.Zip(b, (x, y) => Square(x - y)).Sum()),
                _ => a.Zip(b, (x, y) => x * y).Sum(),
            };
            return double.IsFinite(similarity) ? similarity : double.NegativeInfinity;
        }

        /// <summary>For each row its row afterwards, or −1.</summary>
        public int[] Place(Pairs pairs)
        {
            var after = pairs.UnmergedEven.Concat(pairs.Odd).ToList();
            if (_options.Order == MergeOrder.Original) after.Sort();
            bool exact = _options.ClassPosition == MergeClassPosition.Exact;
            if (_step.HasClassToken) after.Insert(exact ? after.Count(place => place < classPlace) : _step.ClassRowOut, classPlace);
            var destinations = new int[_step.TokensIn];
            Array.Fill(destinations, -1);
            for (int i = 0; i < after.Count; i++) destinations[Row(after[i])] = i;
            if (_options.Reduction == MergeReduction.Merge)
                foreach (var (source, partner) in pairs.Merged) destinations[Row(source)] = destinations[Row(partner)];
            return destinations;
        }
    }

    /// <summary>Sizes afterwards, and each row's factor in the row that it goes to (spec 2.4).</summary>
    private static void Weigh(ReferenceMergePlan plan, int image, int[] destinations, ReferenceMatrix sizes, ReferenceMatrix merged)
    {
        var (step, combination) = (plan.Step, plan.Options.Combination);
        double Size(int row) => sizes.IsNone ? 1 : sizes[image * step.TokensIn + row, 0];
        for (int target = 0; target < step.TokensOut; target++)
        {
            int[] group = [.. Enumerable.Range(0, step.TokensIn).Where(row => destinations[row] == target)];
            double sum = group.Sum(Size), most = group.Max(Size), least = group.Min(Size);
            var (size, divisor) = combination switch
            {
                MergeCombination.Mean => (sum / group.Length, sum),
                MergeCombination.Max => (most, most),
                MergeCombination.Min => (least, least),
                _ => (sum, sum),
            };
            merged[image * step.TokensOut + target, 0] = size;
            foreach (int row in group) plan.Weights[image, row] = Size(row) / divisor;
        }
        for (int row = 0; row < step.TokensIn; row++)
        {
            plan.Destinations[image, row] = destinations[row];
            if (destinations[row] < 0) plan.Weights[image, row] = 0;
        }
    }

    private static ReferenceMergePlan Filled(int batch, MergePlan plan) => plan is ReferenceMergePlan filled && batch <= plan.BatchCapacity
        ? filled
        : throw new ArgumentException($"A {plan.GetType().Name} for {plan.BatchCapacity} images cannot serve {batch} images on ReferenceDevice.", nameof(plan));
}

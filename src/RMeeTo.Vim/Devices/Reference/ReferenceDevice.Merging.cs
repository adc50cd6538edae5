using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// Matching and merging, spec 2.2 to 2.4.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void Match(int batch, DeviceMatrix metric, DeviceMatrix sizes, MergePlan plan, DeviceMatrix mergedSizes)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        var m = Of(metric, batch * step.TokensIn, metric.Columns);
        var (size, merged) = (OfOptional(sizes, batch * step.TokensIn, 1), Of(mergedSizes, batch * step.TokensOut, 1));
        merged.Clear();
        for (int image = 0; image < batch; image++)
        {
            int[] destinations = Destinations(plan, ChoosePairs(m, image, step));
            var (from, to) = (image * step.TokensIn, image * step.TokensOut);
            for (int row = 0; row < step.TokensIn; row++)
            {
                filled.Destinations[image, row] = destinations[row];
                if (destinations[row] >= 0) merged[to + destinations[row], 0] += Size(from + row);
            }
            for (int row = 0; row < step.TokensIn; row++)
                filled.Weights[image, row] = destinations[row] < 0 ? 0 : Size(from + row) / merged[to + destinations[row], 0];
        }

        double Size(int row) => size.IsNone ? 1 : size[row, 0];
    }

    /// <inheritdoc/>
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        var (from, to) = (Of(source, batch * step.TokensIn, source.Columns), Of(destination, batch * step.TokensOut, source.Columns));
        to.Clear();
        for (int image = 0; image < batch; image++)
            for (int row = 0; row < step.TokensIn; row++)
                if (filled.Destinations[image, row] is >= 0 and int target)
                    for (int c = 0; c < from.Columns; c++)
                        to[image * step.TokensOut + target, c] += filled.Weights[image, row] * from[image * step.TokensIn + row, c];
    }

    /// <inheritdoc/>
    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        int channels = destinationGradient.Columns;
        var (from, to) = (Of(destinationGradient, batch * step.TokensOut, channels), Of(sourceGradient, batch * step.TokensIn, channels));
        to.Clear();
        for (int image = 0; image < batch; image++)
            for (int row = 0; row < step.TokensIn; row++)
                if (filled.Destinations[image, row] is >= 0 and int target)
                    for (int c = 0; c < channels; c++)
                        to[image * step.TokensIn + row, c] = filled.Weights[image, row] * from[image * step.TokensOut + target, c];
    }

    /// <summary>Which rows of an image go into which, and the even rows that stay, by descending similarity. All are rows of the sequence with the class token.</summary>
    private readonly record struct Pairs(IReadOnlyList<(int Source, int Partner)> Merged, IReadOnlyList<int> UnmergedEven, IReadOnlyList<int> Odd);

    private static Pairs ChoosePairs(ReferenceMatrix metric, int image, MergeStep step)
    {
        int[] patches = [.. Enumerable.Range(0, step.TokensIn).Where(row => row != step.ClassRowIn)];
        int[] even = [.. patches.Where((_, i) => i % 2 == 0)], odd = [.. patches.Where((_, i) => i % 2 == 1)];
        int first = image * step.TokensIn;
        var best = new (int Row, int Partner, double Similarity)[even.Length];
        for (int i = 0; i < even.Length; i++)
        {
            best[i] = (even[i], odd[0], double.NegativeInfinity);
            foreach (int partner in odd)
            {
                double similarity = Cosine(metric, first + even[i], first + partner);
                if (similarity > best[i].Similarity) best[i] = (even[i], partner, similarity); // strictly: the lowest partner wins a tie
            }
        }
        var ranked = best.OrderByDescending(b => b.Similarity).ToArray(); // stable: the lowest row wins a tie
        return new(
            [.. ranked.Take(step.Removed).Select(b => (b.Row, b.Partner))],
            [.. ranked.Skip(step.Removed).Select(b => b.Row)],
            odd);
    }

    /// <summary>a·b / (‖a‖ ‖b‖); −∞ where that is no number.</summary>
    private static double Cosine(ReferenceMatrix metric, int a, int b)
    {
        double dot = 0, squareA = 0, squareB = 0;
        for (int c = 0; c < metric.Columns; c++)
        {
            dot += metric[a, c] * metric[b, c];
            squareA += Square(metric[a, c]);
            squareB += Square(metric[b, c]);
        }
        double cosine = dot / Math.Sqrt(squareA) / Math.Sqrt(squareB);
        return double.IsFinite(cosine) ? cosine : double.NegativeInfinity;
    }

    /// <summary>For each row its row afterwards, or −1.</summary>
    private static int[] Destinations(MergePlan plan, Pairs pairs)
    {
        List<int> after = plan.Options.Order == MergeOrder.Original
            ? [.. pairs.UnmergedEven.Concat(pairs.Odd).Order()]
            : [.. pairs.UnmergedEven, .. pairs.Odd];
        after.Insert(plan.Step.ClassRowOut, plan.Step.ClassRowIn);
        var destinations = new int[plan.Step.TokensIn];
        Array.Fill(destinations, -1);
        for (int i = 0; i < after.Count; i++) destinations[after[i]] = i;
        if (plan.Options.Reduction == MergeReduction.Merge)
            foreach (var (source, partner) in pairs.Merged) destinations[source] = destinations[partner];
        return destinations;
    }

    private static ReferenceMergePlan Filled(int batch, MergePlan plan) => plan is ReferenceMergePlan filled && batch <= plan.BatchCapacity
        ? filled
        : throw new ArgumentException($"A {plan.GetType().Name} for {plan.BatchCapacity} images cannot serve {batch} images on ReferenceDevice.", nameof(plan));
}

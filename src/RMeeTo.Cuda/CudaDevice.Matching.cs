using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using static RMeeTo.Cuda.MatchKernels;

namespace RMeeTo.Cuda;

// Deciding a merge (spec 2.2, 2.3, 2.9): partners by match.cu, then places by places.cu.
public sealed unsafe partial class CudaDevice
{
    /// <summary>
    /// Floats of scratch memory for the similarities of whole images, at most, but one image at least. Asked for only where another partner than the best is
    /// wanted.
    /// </summary>
    internal long MostSimilarities { get; set; } = 1 << 25;

    /// <inheritdoc/>
    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        CudaMergePlan filled = Filled(batch, plan);
        PairArguments pairs = PairArgument(batch, operands, filled);
        PlaceArguments places = PlaceArgument(batch, operands.Sizes, filled, mergedSizes);
        places.ClassRows = pairs.ClassRows;
        int images = GiveScratch(batch, plan, ref pairs, ref places);
        filled.UploadRowOrders(batch);
        Launch(Lengths, Blocks(pairs.Metric.Rows, Warps), Threads, pairs);
        FindPartners(batch, images, plan.Options.Distance, pairs);
        Launch(Places, batch, PlaceThreads(plan.Step.TokensIn), places);
    }

    private PairArguments PairArgument(int batch, in MatchOperands operands, CudaMergePlan plan)
    {
        var (step, options) = (plan.Step, plan.Options);
        MatrixArgument metric = Argument(operands.Metric, batch * step.TokensIn, operands.Metric.Columns, nameof(operands.Metric));
        bool exact = options.ClassPosition == MergeClassPosition.Exact;
        return new PairArguments
        {
            Metric = metric,
            RowAtPlace = options.MetricFollowsTokens ? plan.RowAtPlacePointer : 0,
            ClassRows = exact && operands.Previous is { } previous ? Filled(batch, previous).Argument.ClassRows : 0,
            Tokens = step.TokensIn,
            ClassRow = step.ClassRowIn,
            Evens = step.SourceRows,
            Odds = step.PartnerRows,
            PartnerRank = options.PartnerRank,
            Vectorizable = metric.IsVectorizable ? 1 : 0,
        };
    }

    private PlaceArguments PlaceArgument(int batch, DeviceMatrix sizes, CudaMergePlan plan, DeviceMatrix mergedSizes)
    {
        var (step, options) = (plan.Step, plan.Options);
        return new PlaceArguments
        {
            Plan = plan.Argument,
            Sizes = ArgumentOrNone(sizes, batch * step.TokensIn, 1, nameof(MatchOperands.Sizes)),
            MergedSizes = Argument(mergedSizes, batch * step.TokensOut, 1, nameof(mergedSizes)),
            RowAtPlace = plan.RowAtPlacePointer,
            ClassRow = step.ClassRowIn,
            ClassRowOut = step.ClassRowOut,
            Evens = step.SourceRows,
            Removed = step.Removed,
            ExactClassRow = options.ClassPosition == MergeClassPosition.Exact ? 1 : 0,
            OddEven = options.Order == MergeOrder.OddEven ? 1 : 0,
            Prune = options.Reduction == MergeReduction.Prune ? 1 : 0,
            ProtectedNeighbours = options.ProtectedNeighbours,
            Combination = (int)options.Combination,
        };
    }

    /// <summary>What the kernels hand to each other.</summary>
    /// <returns>Images whose partners are found at once.</returns>
    private int GiveScratch(int batch, MergePlan plan, ref PairArguments pairs, ref PlaceArguments places)
    {
        long rows = pairs.Metric.Rows, patches = (long)batch * pairs.Evens, leavers = 2L * batch * plan.Step.Removed, ofImage = (long)pairs.Evens * pairs.Odds;
        bool best = plan.Options.PartnerRank == 1;
        int images = best ? batch : (int)Math.Clamp(MostSimilarities / ofImage, 1, batch);
        nint next = Scratch(leavers + 3 * patches + 2 * rows + (best ? 0 : images * ofImage));
        places.Leavers = Take(leavers); // pairs of values: first, for their alignment
        places.Similarity = pairs.Similarity = Take(patches);
        places.Partner = pairs.Partner = Take(patches);
        places.Ranks = Take(patches);
        places.Positions = Take(rows);
        pairs.InverseLengths = Take(rows);
        pairs.Similarities = best ? 0 : next;
        return images;

        nint Take(long values)
        {
            nint start = next;
            next += (nint)(values * sizeof(float));
            return start;
        }
    }

    /// <summary>Some images at a time where their similarities are kept, all at once where not.</summary>
    private void FindPartners(int batch, int imagesAtOnce, MergeDistance distance, PairArguments pairs)
    {
        for (int first = 0; first < batch; first += imagesAtOnce)
        {
            (pairs.FirstImage, pairs.Images) = (first, Math.Min(imagesAtOnce, batch - first));
            Launch(Partners(distance), pairs.Images * Blocks(pairs.Evens, EvenTile), Threads, pairs);
            if (pairs.Similarities != 0) Launch(Rank, Blocks((long)pairs.Images * pairs.Evens, Warps), Threads, pairs);
        }
    }

    /// <summary>A plan of this GPU with room for so many images.</summary>
    private CudaMergePlan Filled(int batch, MergePlan plan)
    {
        if (plan is not CudaMergePlan filled || !filled.IsOf(Runtime)) throw new ArgumentException("The plan was made by another device.", nameof(plan));
        if (batch < 1 || batch > plan.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The plan has room for 1 to {plan.BatchCapacity} images.");
        return filled;
    }
}

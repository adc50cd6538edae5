using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using static RMeeTo.Cuda.MatchKernels;

namespace RMeeTo.Cuda;

// Deciding a merge (spec 2.2, 2.3, 2.9): partners by match.cu, then places by places.cu.
public sealed unsafe partial class CudaDevice
{
    /// <summary>Most memory for the similarities of whole images, in floats (128 MB), one image at least. Asked for only where the best partner is not the one that is wanted.</summary>
    private const long MostSimilarities = 1 << 25;

    /// <inheritdoc/>
    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        CudaMergePlan filled = Filled(batch, plan);
        var (step, options) = (plan.Step, plan.Options);
        int rows = batch * step.TokensIn, evens = step.SourceRows, odds = step.PartnerRows;
        bool exact = options.ClassPosition == MergeClassPosition.Exact;
        int images = options.PartnerRank == 1 ? batch : (int)Math.Clamp(MostSimilarities / ((long)evens * odds), 1, batch);
        long leavers = 2L * batch * step.Removed, patches = (long)batch * evens, similarities = options.PartnerRank == 1 ? 0 : (long)images * evens * odds;
        var scratch = new ScratchParts(this, leavers + 3 * patches + 2L * rows + similarities);
        var pairs = new PairArguments
        {
            Metric = Argument(operands.Metric, rows, operands.Metric.Columns, nameof(operands.Metric)),
            RowAtPlace = options.MetricFollowsTokens ? filled.RowAtPlacePointer : 0,
            ClassRows = exact && operands.Previous is { } previous ? Filled(batch, previous).Argument.ClassRows : 0,
            Tokens = step.TokensIn,
            ClassRow = step.ClassRowIn,
            Evens = evens,
            Odds = odds,
            PartnerRank = options.PartnerRank,
        };
        pairs.Vectorizable = pairs.Metric.IsVectorizable ? 1 : 0;
        var places = new PlaceArguments
        {
            Plan = filled.Argument,
            Sizes = ArgumentOrNone(operands.Sizes, rows, 1, nameof(operands.Sizes)),
            MergedSizes = Argument(mergedSizes, batch * step.TokensOut, 1, nameof(mergedSizes)),
            Leavers = scratch.Take(leavers), // pairs of values: first, for their alignment
            RowAtPlace = filled.RowAtPlacePointer,
            ClassRows = pairs.ClassRows,
            Similarity = pairs.Similarity = scratch.Take(patches),
            Partner = pairs.Partner = scratch.Take(patches),
            Ranks = scratch.Take(patches),
            Positions = scratch.Take(rows),
            ClassRow = step.ClassRowIn,
            ClassRowOut = step.ClassRowOut,
            Evens = evens,
            Removed = step.Removed,
            ExactClassRow = exact ? 1 : 0,
            OddEven = options.Order == MergeOrder.OddEven ? 1 : 0,
            Prune = options.Reduction == MergeReduction.Prune ? 1 : 0,
            ProtectedNeighbours = options.ProtectedNeighbours,
            Combination = (int)options.Combination,
        };
        pairs.InverseLengths = scratch.Take(rows);
        if (similarities > 0) pairs.Similarities = scratch.Take(similarities);

        filled.UploadRowOrders(batch);
        Launch(Lengths, Blocks(rows, Warps), Threads, pairs);
        FindPartners(batch, images, options.Distance, pairs);
        Launch(Places, batch, PlaceThreads(step.TokensIn), places);
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

    /// <summary>The scratch memory of one operator, piece by piece.</summary>
    private ref struct ScratchParts(CudaDevice device, long values)
    {
        private nint _next = device.Scratch(values);

        /// <summary>The next values of four bytes.</summary>
        public nint Take(long count)
        {
            nint start = _next;
            _next += (nint)(count * sizeof(float));
            return start;
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

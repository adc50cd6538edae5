using System.Runtime.InteropServices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

/// <summary>match.cu and places.cu, and what their kernels receive.</summary>
internal static class MatchKernels
{
    /// <summary>Even patches a block of match_partners.</summary>
    public const int EvenTile = 64;

    /// <summary>Threads a block of all but match_places.</summary>
    public const int Threads = 256;

    /// <summary>Warps a block of these.</summary>
    public const int Warps = Threads / 32;

    private const string Pairs = "match.cu";

    public static readonly CudaKernel Lengths = new(Pairs, "match_lengths", For(MergeDistance.Cosine));
    public static readonly CudaKernel Rank = new(Pairs, "match_rank", For(MergeDistance.Cosine));
    public static readonly CudaKernel Places = new("places.cu", "match_places");
    private static readonly CudaKernel[] s_partners =
        [.. Enum.GetValues<MergeDistance>().Select(distance => new CudaKernel(Pairs, "match_partners", For(distance)))];


    /// <summary>match_partners for a distance.</summary>
    public static CudaKernel Partners(MergeDistance distance) => s_partners[(int)distance];

    /// <summary>Threads a block of match_places: a few rows a thread.</summary>
    public static int PlaceThreads(int tokens) => tokens > 512 ? 1024 : Threads;

    private static (string Name, int Value) For(MergeDistance distance) => ("DISTANCE", (int)distance);

    [StructLayout(LayoutKind.Sequential)]
    public struct PairArguments
    {
        public MatrixArgument Metric;
        public nint RowAtPlace, ClassRows, InverseLengths, Similarity, Partner, Similarities;
        public int Tokens, ClassRow, Evens, Odds, FirstImage, Images, PartnerRank, Vectorizable;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PlaceArguments
    {
        public PlanArgument Plan;
        public MatrixArgument Sizes, MergedSizes;
        public nint Similarity, Partner, RowAtPlace, ClassRows, Ranks, Positions, Leavers;
        public int ClassRow, ClassRowOut, Evens, Removed, ExactClassRow, OddEven, Prune, ProtectedNeighbours, Combination, Padding;
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>What the tiles of one product have in common. Strides are in floats.</summary>
internal struct GemmStrides
{
    /// <summary>From one row of A to the next.</summary>
    public nint ARow;

    /// <summary>From one step of the reduction to the next in A.</summary>
    public nint AStep;

    /// <summary>From one step of the reduction to the next in B.</summary>
    public nint BStep;

    /// <summary>From one row of C to the next.</summary>
    public nint CRow;

    /// <summary>Steps of the reduction.</summary>
    public nint Steps;

    /// <summary>Whether the sum is added to what C holds.</summary>
    public bool Accumulate;
}

/// <summary>A number known when a tile is compiled.</summary>
internal interface IExtent
{
    static abstract int Value { get; }
}

/// <summary>
/// The micro-kernel of every matrix product: a tile of up to 8 rows and 3 vectors that stays in registers while the reduction runs over it.
/// It is written once; <c>TRows</c> and <c>TVectors</c> are constants when it is compiled, and what lies beyond them is dropped.
/// </summary>
internal static unsafe class GemmKernel<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    public const int MaxVectors = PanelLayout.FullVectors;

    private const int MaxRows = 8;

    private static readonly delegate*<float*, float*, float*, float*, int, GemmStrides*, void>[] Tiles = CreateTiles();

    /// <summary>The tile of this size: (a, b, c, bias or null, lanes in use in the last vector, strides).</summary>
    public static delegate*<float*, float*, float*, float*, int, GemmStrides*, void> For(int rows, int vectors) => Tiles[(vectors - 1) * MaxRows + rows - 1];

    /// <summary>The most rows of a tile that is so many vectors wide, so that sums, a row of B and one element of A fit the registers.</summary>
    public static int RowsFor(int vectors)
    {
        var registers = TSimd.Count == 16 || AdvSimd.Arm64.IsSupported ? 32 : 16;
        return Math.Min(MaxRows, (registers - 1 - vectors) / vectors);
    }

    // C[r, :] (+)= bias + Σk A[r, k]·B[k, :]. The order of the sum is the order of k, in a tile of any size.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TRows, TVectors>(float* a, float* b, float* c, float* bias, int lastLanes, GemmStrides* strides)
        where TRows : struct, IExtent where TVectors : struct, IExtent
    {
        var (start0, start1, start2) = (TSimd.Create(0), TSimd.Create(0), TSimd.Create(0));
        if (bias != null) LoadRow<TVectors>(bias, lastLanes, out start0, out start1, out start2);
        var (c00, c01, c02) = (start0, start1, start2);
        var (c10, c11, c12) = (start0, start1, start2);
        var (c20, c21, c22) = (start0, start1, start2);
        var (c30, c31, c32) = (start0, start1, start2);
        var (c40, c41, c42) = (start0, start1, start2);
        var (c50, c51, c52) = (start0, start1, start2);
        var (c60, c61, c62) = (start0, start1, start2);
        var (c70, c71, c72) = (start0, start1, start2);

        // Two pointers and three offsets address eight rows in the processor's own addressing modes.
        if (strides->Accumulate) Prefetch<TRows, TVectors>(c, strides->CRow);
        nint aStep = strides->AStep, bStep = strides->BStep;
        nint row1 = strides->ARow, row2 = 2 * row1, row3 = 3 * row1;
        var a4 = a + 4 * row1;
        for (var steps = strides->Steps; steps > 0; steps--)
        {
            var b0 = TSimd.Load(b);
            var b1 = TVectors.Value > 1 ? TSimd.Load(b + TSimd.Count) : b0;
            var b2 = TVectors.Value > 2 ? TSimd.Load(b + 2 * TSimd.Count) : b0;
            MultiplyAddRow<TVectors>(a, b0, b1, b2, ref c00, ref c01, ref c02);
            if (TRows.Value > 1) MultiplyAddRow<TVectors>(a + row1, b0, b1, b2, ref c10, ref c11, ref c12);
            if (TRows.Value > 2) MultiplyAddRow<TVectors>(a + row2, b0, b1, b2, ref c20, ref c21, ref c22);
            if (TRows.Value > 3) MultiplyAddRow<TVectors>(a + row3, b0, b1, b2, ref c30, ref c31, ref c32);
            if (TRows.Value > 4) MultiplyAddRow<TVectors>(a4, b0, b1, b2, ref c40, ref c41, ref c42);
            if (TRows.Value > 5) MultiplyAddRow<TVectors>(a4 + row1, b0, b1, b2, ref c50, ref c51, ref c52);
            if (TRows.Value > 6) MultiplyAddRow<TVectors>(a4 + row2, b0, b1, b2, ref c60, ref c61, ref c62);
            if (TRows.Value > 7) MultiplyAddRow<TVectors>(a4 + row3, b0, b1, b2, ref c70, ref c71, ref c72);
            a += aStep;
            if (TRows.Value > 4) a4 += aStep;
            b += bStep;
        }

        var cRow = strides->CRow;
        var accumulate = strides->Accumulate;
        StoreRow<TVectors>(c, lastLanes, accumulate, c00, c01, c02);
        if (TRows.Value > 1) StoreRow<TVectors>(c + cRow, lastLanes, accumulate, c10, c11, c12);
        if (TRows.Value > 2) StoreRow<TVectors>(c + 2 * cRow, lastLanes, accumulate, c20, c21, c22);
        if (TRows.Value > 3) StoreRow<TVectors>(c + 3 * cRow, lastLanes, accumulate, c30, c31, c32);
        if (TRows.Value > 4) StoreRow<TVectors>(c + 4 * cRow, lastLanes, accumulate, c40, c41, c42);
        if (TRows.Value > 5) StoreRow<TVectors>(c + 5 * cRow, lastLanes, accumulate, c50, c51, c52);
        if (TRows.Value > 6) StoreRow<TVectors>(c + 6 * cRow, lastLanes, accumulate, c60, c61, c62);
        if (TRows.Value > 7) StoreRow<TVectors>(c + 7 * cRow, lastLanes, accumulate, c70, c71, c72);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAddRow<TVectors>(float* a, TVector b0, TVector b1, TVector b2, ref TVector c0, ref TVector c1, ref TVector c2)
        where TVectors : struct, IExtent
    {
        var element = TSimd.Create(*a);
        c0 = TSimd.MultiplyAdd(element, b0, c0);
        if (TVectors.Value > 1) c1 = TSimd.MultiplyAdd(element, b1, c1);
        if (TVectors.Value > 2) c2 = TSimd.MultiplyAdd(element, b2, c2);
    }

    // What the tile is added to at its end is fetched at its start.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch<TRows, TVectors>(float* c, nint cRow) where TRows : struct, IExtent where TVectors : struct, IExtent
    {
        if (!Sse.IsSupported) return;
        for (var row = 0; row < TRows.Value; row++, c += cRow)
        {
            Sse.Prefetch0(c);
            if (TVectors.Value * TSimd.Count > 16) Sse.Prefetch0(c + 16);
            if (TVectors.Value * TSimd.Count > 32) Sse.Prefetch0(c + 32);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadRow<TVectors>(float* source, int lastLanes, out TVector v0, out TVector v1, out TVector v2) where TVectors : struct, IExtent
    {
        var last = TSimd.LoadPartial(source + (TVectors.Value - 1) * TSimd.Count, lastLanes);
        v0 = TVectors.Value > 1 ? TSimd.Load(source) : last;
        v1 = TVectors.Value > 2 ? TSimd.Load(source + TSimd.Count) : last;
        v2 = last;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<TVectors>(float* c, int lastLanes, bool accumulate, TVector v0, TVector v1, TVector v2) where TVectors : struct, IExtent
    {
        if (TVectors.Value > 1) StoreWhole(c, accumulate, v0);
        if (TVectors.Value > 2) StoreWhole(c + TSimd.Count, accumulate, v1);
        var last = TVectors.Value switch { 1 => v0, 2 => v1, _ => v2 };
        c += (TVectors.Value - 1) * TSimd.Count;
        if (lastLanes == TSimd.Count)
        {
            StoreWhole(c, accumulate, last);
            return;
        }
        if (accumulate) last = TSimd.Add(TSimd.LoadPartial(c, lastLanes), last);
        TSimd.StorePartial(last, c, lastLanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreWhole(float* c, bool accumulate, TVector value) =>
        TSimd.Store(accumulate ? TSimd.Add(TSimd.Load(c), value) : value, c);

    private static delegate*<float*, float*, float*, float*, int, GemmStrides*, void>[] CreateTiles()
    {
        var tiles = new delegate*<float*, float*, float*, float*, int, GemmStrides*, void>[MaxRows * MaxVectors];
        AddTiles<One>(tiles, 0);
        AddTiles<Two>(tiles, MaxRows);
        AddTiles<Three>(tiles, 2 * MaxRows);
        return tiles;
    }

    private static void AddTiles<TVectors>(delegate*<float*, float*, float*, float*, int, GemmStrides*, void>[] tiles, int first)
        where TVectors : struct, IExtent
    {
        tiles[first] = &Tile<One, TVectors>;
        tiles[first + 1] = &Tile<Two, TVectors>;
        tiles[first + 2] = &Tile<Three, TVectors>;
        tiles[first + 3] = &Tile<Four, TVectors>;
        tiles[first + 4] = &Tile<Five, TVectors>;
        tiles[first + 5] = &Tile<Six, TVectors>;
        tiles[first + 6] = &Tile<Seven, TVectors>;
        tiles[first + 7] = &Tile<Eight, TVectors>;
    }

    private readonly struct One : IExtent { public static int Value => 1; }

    private readonly struct Two : IExtent { public static int Value => 2; }

    private readonly struct Three : IExtent { public static int Value => 3; }

    private readonly struct Four : IExtent { public static int Value => 4; }

    private readonly struct Five : IExtent { public static int Value => 5; }

    private readonly struct Six : IExtent { public static int Value => 6; }

    private readonly struct Seven : IExtent { public static int Value => 7; }

    private readonly struct Eight : IExtent { public static int Value => 8; }
}

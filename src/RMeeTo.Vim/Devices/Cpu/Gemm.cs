namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// The products of linear layers with packed weights, on one thread. A row of the result depends on its own row of A only: each of its elements
/// is summed in the order of the reduction, whatever the number of rows and whatever tile the row falls in.
/// </summary>
internal static unsafe class Gemm<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    /// <summary>Up to this size B stays in the second-level cache while all rows of A pass by it.</summary>
    private const long ResidentBytes = 600 * 1024;

    /// <summary>Where B is larger: steps of the reduction and rows of A that are worked on together.</summary>
    private const int BlockSteps = 512, BlockRows = 256;

    /// <summary>
    /// c [m, N] = a [m, K]·B + bias, or c += the same. Strides are floats from one row to the next; nothing between the rows of c is touched.
    /// <c>bias</c> is N floats or null.
    /// </summary>
    public static void Multiply(float* a, long aStride, int m, PackedMatrix b, float* c, long cStride, bool accumulate, float* bias)
    {
        ObjectDisposedException.ThrowIf(b.IsDisposed, b);
        if (b.VectorLength != TSimd.Count)
            throw new ArgumentException($"The matrix is packed for vectors of {b.VectorLength} floats, not {TSimd.Count}.", nameof(b));
        if (m == 0) return;
        var fits = b.ByteCount <= ResidentBytes;
        var blocks = fits ? 1 : Shares.Count(b.Steps, BlockSteps); // from B alone, never from m: it decides the order of the sum
        for (var block = 0; block < blocks; block++)
        {
            var (step, stepEnd) = (Shares.Start(b.Steps, block, blocks), Shares.Start(b.Steps, block + 1, blocks));
            var strides = new GemmStrides
            {
                ARow = (nint)aStride, AStep = 1, CRow = (nint)cStride, Steps = stepEnd - step, Accumulate = accumulate || block > 0,
            };
            var blockBias = block == 0 ? bias : null;
            if (fits) RowsOuter(a + step, m, b, step, c, blockBias, strides);
            else PanelsOuter(a + step, m, b, step, c, blockBias, strides);
        }
        GC.KeepAlive(b);
    }

    // B is read again for every tile of rows, A and C once.
    private static void RowsOuter(float* a, int m, PackedMatrix b, int step, float* c, float* bias, GemmStrides strides)
    {
        var layout = b.Layout;
        var tailStart = layout.FullPanels * PanelLayout.FullVectors;
        RowTiles(a, m, b, step, 0, tailStart, c, bias, strides);
        RowTiles(a, m, b, step, tailStart, layout.Vectors, c, bias, strides);
    }

    // Each panel of B passes by a block of rows of A that stays in the second-level cache.
    private static void PanelsOuter(float* a, int m, PackedMatrix b, int step, float* c, float* bias, GemmStrides strides)
    {
        var blocks = Shares.Count(m, BlockRows);
        for (var block = 0; block < blocks; block++)
        {
            var (row, rowEnd) = (Shares.Start(m, block, blocks), Shares.Start(m, block + 1, blocks));
            for (var vector = 0; vector < b.Layout.Vectors;)
            {
                var next = vector + b.Layout.VectorsAt(vector);
                RowTiles(a + row * strides.ARow, rowEnd - row, b, step, vector, next, c + row * strides.CRow, bias, strides);
                vector = next;
            }
        }
    }

    // All rows, in tiles of nearly equal height, by panels of one width that start at vectors [vector, vectorEnd).
    private static void RowTiles(float* a, int m, PackedMatrix b, int step, int vector, int vectorEnd, float* c, float* bias, GemmStrides strides)
    {
        if (vector == vectorEnd) return;
        var vectors = b.Layout.VectorsAt(vector);
        var width = vectors * TSimd.Count;
        strides.BStep = width;
        var tiles = Shares.Count(m, GemmKernel<TSimd, TVector>.RowsFor(vectors));
        for (var tile = 0; tile < tiles; tile++)
        {
            var (row, rowEnd) = (Shares.Start(m, tile, tiles), Shares.Start(m, tile + 1, tiles));
            var kernel = GemmKernel<TSimd, TVector>.For(rowEnd - row, vectors);
            float* aTile = a + row * strides.ARow, cTile = c + row * strides.CRow;
            for (var first = vector; first < vectorEnd; first += vectors)
            {
                var column = first * TSimd.Count;
                var lastLanes = Math.Min(TSimd.Count, b.Columns - column - width + TSimd.Count);
                kernel(aTile, b.Panel(first) + (long)step * width, cTile + column, bias == null ? null : bias + column, lastLanes, &strides);
            }
        }
    }
}

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// dW [N, K] += dyᵀ [N, M]·x [M, K], on one thread. A step of the reduction is a piece of a row in either operand, so x is read where it lies.
/// The order of every sum follows from the shapes alone.
/// </summary>
internal static unsafe class GemmWeightGradient<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    /// <summary>dw [n, k] += dyᵀ·x with dy [m, n] and x [m, k]. Strides are floats from one row to the next.</summary>
    public static void Accumulate(float* dy, long dyStride, float* x, long xStride, int m, int n, int k, float* dw, long dwStride, GemmScratch scratch)
    {
        // Vectors run along the rows of dW, unless those are so short that many lanes would be empty.
        var transposed = k < 2 * TSimd.Count && n > k;
        var blocks = Shares.Count(m, GemmScratch.MaxSteps);
        for (var block = 0; block < blocks; block++)
        {
            long row = Shares.Start(m, block, blocks);
            var steps = Shares.Start(m, block + 1, blocks) - (int)row;
            float* dyBlock = dy + row * dyStride, xBlock = x + row * xStride;
            if (transposed) Block(xBlock, xStride, k, dyBlock, dyStride, n, steps, dw, dwStride, true, scratch);
            else Block(dyBlock, dyStride, n, xBlock, xStride, k, steps, dw, dwStride, false, scratch);
        }
        GC.KeepAlive(scratch);
    }

    // c [rows, columns] += aᵀ·b, or its transpose, with a [steps, rows] and b [steps, columns].
    private static void Block(
        float* a, long aStride, int rows, float* b, long bStride, int columns, int steps, float* c, long cStride, bool transposed, GemmScratch scratch)
    {
        var strides = new GemmStrides { ARow = 1, AStep = (nint)aStride, CRow = (nint)cStride, Steps = steps, Accumulate = true };
        var layout = new PanelLayout(columns, TSimd.Count);
        PackTail(b, bStride, columns, steps, layout, scratch);
        var severalPanels = layout.Vectors > PanelLayout.FullVectors;
        var groups = severalPanels ? Shares.Count(rows, GemmScratch.MaxWidth) : 1;
        for (var group = 0; group < groups; group++)
        {
            var row = Shares.Start(rows, group, groups);
            var groupRows = Shares.Start(rows, group + 1, groups) - row;
            var groupA = a + row;
            if (severalPanels)
            {
                // Some columns of a, brought together, stay in the first-level cache while all of b passes by.
                PackPanel(groupA, aStride, steps, groupRows, groupRows, scratch.Rows);
                groupA = scratch.Rows;
                strides.AStep = groupRows;
            }
            for (var vector = 0; vector < layout.Vectors;)
            {
                var vectors = layout.VectorsAt(vector);
                var column = vector * TSimd.Count;
                var width = Math.Min(vectors * TSimd.Count, columns - column);
                var packed = width < vectors * TSimd.Count;
                var panel = packed ? scratch.Panel : b + column;
                strides.BStep = packed ? vectors * TSimd.Count : (nint)bStride;
                if (transposed) TransposedTiles(groupA, groupRows, panel, vectors, width, c + column * cStride + row, cStride, strides, scratch.Tile);
                else Tiles(groupA, groupRows, panel, vectors, width, c + row * cStride + column, strides);
                vector += vectors;
            }
        }
    }

    // The last panel, where it is not whole vectors: those would reach past the last row of b.
    private static void PackTail(float* b, long bStride, int columns, int steps, PanelLayout layout, GemmScratch scratch)
    {
        if (columns % TSimd.Count == 0) return;
        var vectors = layout.VectorsAt(layout.Vectors - 1);
        var column = (layout.Vectors - vectors) * TSimd.Count;
        PackPanel(b + column, bStride, steps, columns - column, vectors * TSimd.Count, scratch.Panel);
    }

    private static void Tiles(float* a, int rows, float* panel, int vectors, int width, float* c, GemmStrides strides)
    {
        var tiles = Shares.Count(rows, GemmKernel<TSimd, TVector>.RowsFor(vectors));
        var lastLanes = width - (vectors - 1) * TSimd.Count;
        for (var tile = 0; tile < tiles; tile++)
        {
            var (row, rowEnd) = (Shares.Start(rows, tile, tiles), Shares.Start(rows, tile + 1, tiles));
            GemmKernel<TSimd, TVector>.For(rowEnd - row, vectors)(a + row, panel, c + row * strides.CRow, null, lastLanes, &strides);
        }
    }

    // The product is computed as it lies in registers, into scratch, and added to c turned round.
    private static void TransposedTiles(
        float* a, int rows, float* panel, int vectors, int width, float* c, long cStride, GemmStrides strides, float* scratch)
    {
        var tiles = Shares.Count(rows, GemmKernel<TSimd, TVector>.RowsFor(vectors));
        strides.CRow = GemmScratch.MaxWidth;
        strides.Accumulate = false;
        for (var tile = 0; tile < tiles; tile++)
        {
            var (row, rowEnd) = (Shares.Start(rows, tile, tiles), Shares.Start(rows, tile + 1, tiles));
            GemmKernel<TSimd, TVector>.For(rowEnd - row, vectors)(a + row, panel, scratch, null, TSimd.Count, &strides);
            for (var j = 0; j < width; j++)
                for (var i = row; i < rowEnd; i++)
                    c[j * cStride + i] += scratch[(i - row) * GemmScratch.MaxWidth + j];
        }
    }

    // panel [steps, width] = source [steps, columns], zeros behind the columns; width is a whole number of vectors, or no more than columns.
    private static void PackPanel(float* source, long stride, int steps, int columns, int width, float* panel)
    {
        var whole = columns - columns % TSimd.Count;
        for (var step = 0; step < steps; step++, source += stride, panel += width)
        {
            for (var i = 0; i < whole; i += TSimd.Count) TSimd.Store(TSimd.Load(source + i), panel + i);
            if (whole == width) continue;
            var rest = TSimd.LoadPartial(source + whole, columns - whole);
            if (whole + TSimd.Count <= width) TSimd.Store(rest, panel + whole);
            else TSimd.StorePartial(rest, panel + whole, columns - whole);
        }
    }
}

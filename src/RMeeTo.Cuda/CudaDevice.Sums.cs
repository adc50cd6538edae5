namespace RMeeTo.Cuda;

// Sums over rows, for the gradients of parameters: the same bits in every run.
public sealed unsafe partial class CudaDevice
{
    /// <summary>Rows that a block of the first stage sums up at least, and blocks of rows at most.</summary>
    private const int MinimumChunkRows = 64, MaximumChunks = 512;

    /// <summary>
    /// Adds the sums over the rows of a matrix to vectors, in one kernel. Meant for partial sums that a kernel left in scratch, up to a thousand rows or so;
    /// right for any number, but <see cref="AddColumnSums"/> is faster for more.
    /// </summary>
    /// <param name="partials">[parts, columns]: a row is what one block found for all vectors, one after the other.</param>
    /// <param name="targets">The vectors, added to.</param>
    private void AddPartialSums(MatrixArgument partials, in SumTargets targets)
    {
        if (partials.Columns != targets.Columns)
            throw new ArgumentException($"The partial sums have {partials.Columns} columns, their targets {targets.Columns}.", nameof(partials));
        if (partials.Rows == 0 || partials.Columns == 0) return;
        Launch(SumKernels.Add, Blocks(partials.Columns, SumKernels.AddColumns), SumKernels.AddThreads, new SumKernels.AddArguments { Rows = partials, Targets = targets });
    }

    /// <summary>Adds the sums over the rows of a matrix of any height to a vector.</summary>
    /// <param name="rows">[M, C]</param>
    /// <param name="target">[1, C], added to.</param>
    /// <param name="scratch"><see cref="ColumnSumFloats"/> values that hold nothing that is still needed.</param>
    private void AddColumnSums(MatrixArgument rows, MatrixArgument target, nint scratch)
    {
        int chunks = SumChunks(rows.Rows);
        if (chunks > 1 && rows.Columns > 0)
        {
            bool vectors = rows.IsVectorizable;
            Launch(vectors ? SumKernels.Partial4 : SumKernels.Partial, Blocks(rows.Columns, SumKernels.PartialColumns(vectors)), chunks, 1, SumKernels.PartialThreads,
                new SumKernels.PartialArguments { Rows = rows, Partials = scratch, ChunkRows = SumChunkRows(rows.Rows) });
            rows = new MatrixArgument(scratch, chunks, rows.Columns, rows.Columns);
        }
        AddPartialSums(rows, new SumTargets(target));
    }

    /// <summary>Values of scratch that <see cref="AddColumnSums"/> needs.</summary>
    private static long ColumnSumFloats(int rows, int columns) => SumChunks(rows) > 1 ? (long)SumChunks(rows) * columns : 0;

    private static int SumChunkRows(int rows) => Math.Max(MinimumChunkRows, (int)Blocks(rows, MaximumChunks));

    private static int SumChunks(int rows) => (int)Blocks(rows, SumChunkRows(rows));
}

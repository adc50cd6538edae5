using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.RowKernels;

namespace RMeeTo.Cuda;

// Rows of tokens: taken, put back, scaled, averaged.
public sealed unsafe partial class CudaDevice
{
    /// <summary>Rows of one image that a block writes.</summary>
    private const int MeanBlockRows = 64;

    /// <inheritdoc/>
    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y)
    {
        var argument = new ScaleArguments
        {
            X = Argument(x, x.Rows, x.Columns, nameof(x)),
            Factor = Argument(factor, 1, x.Columns, nameof(factor)),
            Y = Argument(y, x.Rows, x.Columns, nameof(y)),
        };
        LaunchRows(RowKernels.ScaleChannels, argument.X.IsVectorizable && argument.Factor.IsVectorizable && argument.Y.IsVectorizable, x.Rows, argument);
    }

    /// <inheritdoc/>
    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient)
    {
        var (rows, channels) = (dy.Rows, dy.Columns);
        MatrixArgument destination = Argument(factorGradient, 1, channels, nameof(factorGradient));
        var argument = new ScaleGradientArguments
        {
            X = Argument(x, rows, channels, nameof(x)),
            Factor = Argument(factor, 1, channels, nameof(factor)),
            Dy = Argument(dy, rows, channels, nameof(dy)),
            Dx = Argument(dx, rows, channels, nameof(dx)),
            BlockRows = SumChunkRows(rows),
        };
        if (rows == 0) return;
        int chunks = SumChunks(rows);
        argument.Partials = new MatrixArgument(Scratch((long)chunks * channels), chunks, channels, channels);
        LaunchTiles(RowKernels.ScaleChannelsGradient, argument.IsVectorizable, chunks, channels, argument);
        AddPartialSums(argument.Partials, new SumTargets(destination));
    }

    /// <inheritdoc/>
    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false)
    {
        var argument = new ScaleArguments
        {
            X = Argument(x, x.Rows, x.Columns, nameof(x)),
            Factor = Argument(factors, factors.Rows, 1, nameof(factors)),
            Y = Argument(y, x.Rows, x.Columns, nameof(y)),
            Length = TokensPerImage(x, factors.Rows, nameof(x)),
            Accumulate = accumulate ? 1 : 0,
        };
        LaunchRows(RowKernels.ScaleImages, argument.X.IsVectorizable && argument.Y.IsVectorizable, x.Rows, argument);
    }

    /// <inheritdoc/>
    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        if (rows.Rows == 0) return;
        RowArguments argument = RowArgument(row, source, nameof(source), rows, keepOthers: false);
        LaunchRows(Gather, argument.IsVectorizable, rows.Rows, argument);
    }

    /// <inheritdoc/>
    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false)
    {
        if (rows.Rows == 0) return;
        RowArguments argument = RowArgument(row, destination, nameof(destination), rows, keepOthers);
        LaunchRows(Scatter, argument.IsVectorizable, keepOthers ? rows.Rows : destination.Rows, argument);
    }

    /// <inheritdoc/>
    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means)
    {
        if (means.Rows == 0) return;
        MeanArguments argument = MeanArgument(source, nameof(source), weights, means, nameof(means));
        LaunchTiles(Mean, argument.IsVectorizable, means.Rows, means.Columns, argument);
    }

    /// <inheritdoc/>
    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient)
    {
        if (meansGradient.Rows == 0) return;
        MeanArguments argument = MeanArgument(sourceGradient, nameof(sourceGradient), weights, meansGradient, nameof(meansGradient));
        Launch(MeanGradient.For(argument.IsVectorizable), meansGradient.Rows * Blocks(argument.Length, MeanBlockRows), VectorKernel.Threads, argument);
    }

    private RowArguments RowArgument(int row, DeviceMatrix all, string allName, DeviceMatrix taken, bool keepOthers)
    {
        int length = TokensPerImage(all, taken.Rows, allName);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)length, nameof(row));
        return new RowArguments
        {
            All = Argument(all, all.Rows, taken.Columns, allName),
            Taken = Argument(taken, taken.Rows, taken.Columns, "rows"),
            Length = length,
            Row = row,
            KeepOthers = keepOthers ? 1 : 0,
        };
    }

    private MeanArguments MeanArgument(DeviceMatrix rows, string rowsName, DeviceMatrix weights, DeviceMatrix means, string meansName)
    {
        int length = TokensPerImage(rows, means.Rows, rowsName);
        if (length == 0) throw new ArgumentException($"{rowsName} has no rows; a mean needs at least one for every image.", rowsName);
        return new MeanArguments
        {
            Rows = Argument(rows, rows.Rows, means.Columns, rowsName),
            Weights = ArgumentOrNone(weights, rows.Rows, 1, nameof(weights)),
            Means = Argument(means, means.Rows, means.Columns, meansName),
            Length = length,
            BlockRows = MeanBlockRows,
        };
    }

    /// <summary>One warp a row.</summary>
    private void LaunchRows<T>(VectorKernel kernel, bool vectorizable, int rows, in T argument) where T : unmanaged
    {
        if (rows > 0) Launch(kernel.For(vectorizable), Blocks(rows, VectorKernel.Warps), VectorKernel.Threads, argument);
    }

    /// <summary>Blocks along x, and along y as many as cover the columns, a lane for each or for four.</summary>
    private void LaunchTiles<T>(VectorKernel kernel, bool vectorizable, long blocks, int columns, in T argument) where T : unmanaged =>
        Launch(kernel.For(vectorizable), blocks, VectorKernel.ColumnBlocks(columns, vectorizable), 1, VectorKernel.Threads, argument);
}

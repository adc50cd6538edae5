using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.TokenKernels;

namespace RMeeTo.Cuda;

// Patches and tokens.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        var argument = new PatchArguments
        {
            Images = Argument(images, images.Rows, config.InputLength, nameof(images)),
            Patches = Argument(patches, checked(images.Rows * config.Patches), config.PatchLength, nameof(patches)),
            Height = config.ImageHeight,
            Width = config.ImageWidth,
            Frames = Math.Max(1, config.Frames),
            Edge = config.PatchSize,
            Stride = config.Stride,
            Tubelet = config.TubeletSize,
            GridWidth = config.GridWidth,
            FramePatches = config.FramePatches,
            ImagePatches = config.Patches,
        };
        bool linesAreAligned = config.ImageWidth % 4 == 0 && config.PatchSize % 4 == 0 && config.Stride % 4 == 0;
        bool vectorizable = argument.Images.IsVectorizable && argument.Patches.IsVectorizable && linesAreAligned;
        LaunchRows(TokenKernels.ExtractPatches, vectorizable, patches.Rows, argument);
    }

    /// <inheritdoc/>
    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        EmbedArguments argument = EmbedArgument(batch, tables, patchTokens, nameof(patchTokens), tokens, nameof(tokens));
        LaunchRows(TokenKernels.Embed, argument.IsVectorizable, tokens.Rows, argument);
    }

    /// <inheritdoc/>
    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        EmbedArguments argument =
            EmbedArgument(batch, gradients, patchTokensGradient, nameof(patchTokensGradient), tokensGradient, nameof(tokensGradient));
        if (tokensGradient.Rows == 0) return;
        long blocks = Blocks(gradients.Positions.Rows, VectorKernel.Warps);
        LaunchTiles(TokenKernels.EmbedGradient, argument.IsVectorizable, blocks, tokensGradient.Columns, argument);
        if (!gradients.TimePositions.IsNone) AddTimeGradient(batch, argument);
    }

    /// <summary>Sums over the patches of each frame of each image, then over the images.</summary>
    private void AddTimeGradient(int batch, in EmbedArguments embed)
    {
        var (channels, rows, times) = (embed.Tokens.Columns, batch * embed.Frames, embed.Times);
        if (times.Stride != channels && times.Rows > 1)
            throw new ArgumentException($"TimePositions has a row stride of {times.Stride}; this operator needs {channels}, rows without gaps.");
        var partials = new MatrixArgument(Scratch((long)rows * channels), rows, channels, channels);
        var argument = new FrameSumArguments
        {
            Tokens = embed.Tokens,
            Partials = partials,
            Length = embed.Length,
            FramePatches = embed.FramePatches,
            Frames = embed.Frames,
            ClassRow = embed.ClassRow,
        };
        LaunchTiles(SumFrames, embed.IsVectorizable, rows, channels, argument);
        int table = embed.Frames * channels; // the sums of an image as one row, and so the table
        AddPartialSums(new MatrixArgument(partials.Data, batch, table, table), new SumTargets(times));
    }

    private EmbedArguments EmbedArgument(
        int batch, in EmbeddingTables tables, DeviceMatrix patches, string patchesName, DeviceMatrix tokens, string tokensName)
    {
        tables.Check();
        var (channels, positions, times) = (tokens.Columns, tables.Positions, tables.TimePositions);
        return new EmbedArguments
        {
            Patches = Argument(patches, checked(batch * tables.Patches), channels, patchesName),
            Tokens = Argument(tokens, checked(batch * tables.Tokens), channels, tokensName),
            ClassToken = ArgumentOrNone(tables.ClassToken, 1, channels, nameof(tables.ClassToken)),
            TailToken = ArgumentOrNone(tables.TailClassToken, 1, channels, nameof(tables.TailClassToken)),
            Positions = Argument(positions, positions.Rows, channels, nameof(tables.Positions)),
            Times = ArgumentOrNone(times, times.Rows, channels, nameof(tables.TimePositions)),
            Batch = batch,
            Length = tables.Tokens,
            FramePatches = tables.FramePatches,
            Frames = times.IsNone ? 1 : times.Rows,
            ClassRow = tables.ClassToken.IsNone ? -1 : tables.ClassRow,
        };
    }
}

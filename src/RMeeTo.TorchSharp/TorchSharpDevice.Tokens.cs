using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// The two ends of the network: inputs to tokens, tokens to what the head reads.
public sealed partial class TorchSharpDevice
{
    /// <inheritdoc/>
    public override void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images)
    {
        using var scope = NewDisposeScope();
        int plane = PixelsPerFrame(frames, pixels, images), batch = images.Rows;
        if (pixels is not TorchBytes bytes || !IsHere(bytes.Device)) throw new ArgumentException("pixels lie on another kind of device.", nameof(pixels));
        Tensor values = View(table, 3, 256, nameof(table)), to = View(images, batch, images.Columns, nameof(images));
        if (images.Rows == 0) return;
        Tensor pixel = bytes.Values.narrow(0, 0, (long)batch * images.Columns).view(batch, -1, 3);
        for (int colour = 0; colour < 3; colour++)
        {
            using var part = NewDisposeScope();
            Tensor index = pixel.select(2, colour).to(ScalarType.Int32).reshape(-1);
            to.narrow(1, (long)colour * frames * plane, (long)frames * plane).copy_(values.select(0, colour).index_select(0, index).view(batch, -1));
        }
    }

    /// <inheritdoc/>
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        using var scope = NewDisposeScope();
        Tensor from = View(images, images.Rows, config.InputLength, nameof(images));
        Tensor to = View(patches, images.Rows * config.Patches, config.PatchLength, nameof(patches));
        if (images.Rows == 0) return;
        long width = config.ImageWidth, plane = config.ImageHeight * width, frames = Math.Max(1, config.Frames);
        long edge = config.PatchSize, tubelet = config.TubeletSize, rows = config.FramePatches / config.GridWidth, columns = config.GridWidth;
        // Image, tubelet, row and column of the patch; colour, frame, y and x inside it. Patches that overlap are views that overlap.
        long[] shape = [images.Rows, config.Patches / config.FramePatches, rows, columns, 3, tubelet, edge, edge];
        long[] read = [images.Stride, tubelet * plane, config.Stride * width, config.Stride, frames * plane, plane, width, 1];
        long row = patches.Stride;
        long[] written = [config.Patches * row, config.FramePatches * row, columns * row, row, tubelet * edge * edge, edge * edge, edge, 1];
        to.as_strided(shape, written, patches.Offset).copy_(from.as_strided(shape, read, images.Offset));
    }

    /// <inheritdoc/>
    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        tables.Check();
        using var scope = NewDisposeScope();
        var e = new Embedding(this, tables, tokens.Columns);
        Tensor patches = Images(patchTokens, batch, tables.Patches, tokens.Columns, nameof(patchTokens));
        Tensor to = Images(tokens, batch, tables.Tokens, tokens.Columns, nameof(tokens));
        if (batch == 0) return;
        Tensor table = empty([e.Frames, e.FramePatches, tokens.Columns], ScalarType.Float32, _device); // positions of all patches
        foreach (var (table0, positions0, count) in e.PositionRuns)
            table.narrow(1, table0, count).copy_(e.Positions.narrow(0, positions0, count));
        if (e.Times is not null) table.Add(e.Times.unsqueeze(1));
        table = table.view(tables.Patches, tokens.Columns);
        foreach (var (patch, token, count) in e.PatchRuns)
            to.narrow(1, token, count).copy_(patches.narrow(1, patch, count).Plus(table.narrow(0, patch, count)));
        if (e.Class is not null) to.select(1, tables.ClassRow).copy_(e.Class.Plus(e.Positions.narrow(0, tables.ClassRow, 1)));
        if (e.Tail is not null) to.select(1, tables.Tokens - 1).copy_(e.Tail.Plus(e.Positions.narrow(0, tables.Positions.Rows - 1, 1)));
    }

    /// <inheritdoc/>
    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        gradients.Check();
        using var scope = NewDisposeScope();
        int channels = tokensGradient.Columns;
        var e = new Embedding(this, gradients, channels);
        Tensor from = Images(tokensGradient, batch, gradients.Tokens, channels, nameof(tokensGradient));
        Tensor to = Images(patchTokensGradient, batch, gradients.Patches, channels, nameof(patchTokensGradient));
        if (batch == 0) return;
        foreach (var (patch, token, count) in e.PatchRuns) to.narrow(1, patch, count).copy_(from.narrow(1, token, count));
        Tensor sum = to.sum([0]).view(e.Frames, e.FramePatches, channels), places = sum.sum([0]);
        foreach (var (patch, position, count) in e.PositionRuns) e.Positions.narrow(0, position, count).Add(places.narrow(0, patch, count));
        e.Times?.Add(sum.sum(1));
        if (e.Class is not null) AddRow(e.Class, gradients.ClassRow, gradients.ClassRow);
        if (e.Tail is not null) AddRow(e.Tail, gradients.Tokens - 1, gradients.Positions.Rows - 1);

        void AddRow(Tensor token, int row, int position)
        {
            Tensor g = from.select(1, row).sum(0, keepdim: true);
            token.Add(g);
            e.Positions.narrow(0, position, 1).Add(g);
        }
    }

    /// <inheritdoc/>
    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        using var scope = NewDisposeScope();
        int length = TokensPerImage(source, rows.Rows, row, nameof(source));
        View(rows, rows.Rows, rows.Columns, nameof(rows)).copy_(Images(source, rows.Rows, length, rows.Columns, nameof(source)).select(1, row));
    }

    /// <inheritdoc/>
    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false)
    {
        using var scope = NewDisposeScope();
        int length = TokensPerImage(destination, rows.Rows, row, nameof(destination));
        Tensor from = View(rows, rows.Rows, rows.Columns, nameof(rows)), to = Images(destination, rows.Rows, length, rows.Columns, nameof(destination));
        if (!keepOthers) to.Clear();
        to.select(1, row).copy_(from);
    }

    /// <inheritdoc/>
    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means)
    {
        using var scope = NewDisposeScope();
        int length = TokensPerImage(source, means.Rows, 0, nameof(source));
        Tensor from = Images(source, means.Rows, length, means.Columns, nameof(source)), to = View(means, means.Rows, means.Columns, nameof(means));
        Tensor? weight = ImagesOrNull(weights, means.Rows, length, 1, nameof(weights));
        to.copy_(weight is null ? from.mean([1]) : from.mul(weight).sum(1).div_(weight.sum(1)));
    }

    /// <inheritdoc/>
    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient)
    {
        using var scope = NewDisposeScope();
        int images = meansGradient.Rows, length = TokensPerImage(sourceGradient, images, 0, nameof(sourceGradient));
        Tensor gradient = Images(meansGradient, images, 1, sourceGradient.Columns, nameof(meansGradient));
        Tensor to = Images(sourceGradient, images, length, sourceGradient.Columns, nameof(sourceGradient));
        Tensor? weight = ImagesOrNull(weights, images, length, 1, nameof(weights));
        to.copy_(weight is null ? gradient.Times(1.0 / length) : weight.div(weight.sum(1, keepdim: true)).mul(gradient));
    }

    /// <summary>L of [B·L, …], where every image has this row.</summary>
    private static int TokensPerImage(DeviceMatrix matrix, int images, int row, string name)
    {
        int length = TokensPerImage(matrix, images, name);
        return (uint)row < (uint)length ? length : throw new ArgumentOutOfRangeException(nameof(row), row, $"{name} has {length} rows an image.");
    }

    /// <summary>Class tokens and tables as tensors, and which rows of one go to which rows of the other.</summary>
    private readonly struct Embedding
    {
        private readonly int _before;

        public Embedding(TorchSharpDevice device, in EmbeddingTables tables, int channels)
        {
            Class = device.ViewOrNull(tables.ClassToken, 1, channels, nameof(tables.ClassToken));
            Tail = device.ViewOrNull(tables.TailClassToken, 1, channels, nameof(tables.TailClassToken));
            Positions = device.View(tables.Positions, tables.Positions.Rows, channels, nameof(tables.Positions));
            Times = device.ViewOrNull(tables.TimePositions, tables.TimePositions.Rows, channels, nameof(tables.TimePositions));
            (FramePatches, Frames) = (tables.FramePatches, tables.TimePositions.IsNone ? 1 : tables.TimePositions.Rows);
            _before = Class is null ? tables.Patches : tables.ClassRow;
        }

        public Tensor? Class { get; }

        public Tensor? Tail { get; }

        public Tensor Positions { get; }

        public Tensor? Times { get; }

        public int FramePatches { get; }

        public int Frames { get; }

        /// <summary>Runs of patches of the sequence, and the tokens that they become.</summary>
        public (int Patch, int Token, int Count)[] PatchRuns => Split(Frames * FramePatches);

        /// <summary>Runs of patches of a frame, and the positions that belong to them.</summary>
        public (int Patch, int Position, int Count)[] PositionRuns => Split(FramePatches);

        /// <summary>The class token stands between the patches before it and those after it.</summary>
        private (int, int, int)[] Split(int patches) =>
            Class is null ? [(0, 0, patches)] : [(0, 0, _before), (_before, _before + 1, patches - _before)];
    }
}

using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// The two ends of the network: inputs to tokens, tokens to what the head reads.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images)
    {
        int plane = PixelsPerFrame(frames, pixels, images);
        var (values, image, bytes) = (Of(table, 3, 256), Of(images, images.Rows, images.Columns), HostBytes.Of(pixels, nameof(pixels)));
        for (int b = 0; b < image.Rows; b++)
            for (int i = 0; i < image.Columns; i++)
            {
                var (colour, frame, pixel) = (i / (frames * plane), i / plane % frames, i % plane);
                image[b, i] = values[colour, bytes.Bytes((((long)b * frames + frame) * plane + pixel) * 3 + colour, 1)[0]];
            }
    }

    /// <inheritdoc/>
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        var (height, width, edge, frames, tubelet) = (config.ImageHeight, config.ImageWidth, config.PatchSize, Math.Max(1, config.Frames), config.TubeletSize);
        var image = Of(images, images.Rows, config.InputLength);
        var patch = Of(patches, images.Rows * config.Patches, config.PatchLength);
        for (int row = 0; row < patch.Rows; row++)
        {
            int place = row % config.FramePatches, first = row % config.Patches / config.FramePatches * tubelet;
            int top = place / config.GridWidth * config.Stride, left = place % config.GridWidth * config.Stride;
            for (int i = 0; i < patch.Columns; i++)
            {
                var (channel, time, y, x) = (i / (tubelet * edge * edge), i / (edge * edge) % tubelet, i / edge % edge, i % edge);
                patch[row, i] = image[row / config.Patches, ((channel * frames + first + time) * height + top + y) * width + left + x];
            }
        }
    }

    /// <inheritdoc/>
    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        tables.Check();
        int channels = tokens.Columns;
        var patch = Of(patchTokens, batch * tables.Patches, channels);
        var (cls, tail) = (OfOptional(tables.ClassToken, 1, channels), OfOptional(tables.TailClassToken, 1, channels));
        var position = Of(tables.Positions, tables.Positions.Rows, channels);
        var time = OfOptional(tables.TimePositions, tables.TimePositions.Rows, channels);
        var token = Of(tokens, batch * tables.Tokens, channels);
        for (int b = 0; b < batch; b++)
            for (int row = 0, p = 0; row < tables.Tokens; row++)
            {
                var (isClass, isTail) = (tables.IsClassRow(row), tables.IsTailRow(row));
                for (int c = 0; c < channels; c++)
                {
                    token[b * tables.Tokens + row, c] = isClass ? cls[0, c] + position[tables.ClassRow, c]
                        : isTail ? tail[0, c] + position[position.Rows - 1, c]
                        : patch[b * tables.Patches + p, c] + position[tables.PositionRow(p), c] + (time.IsNone ? 0 : time[tables.TimeRow(p), c]);
                }
                if (!isClass && !isTail) p++;
            }
    }

    /// <inheritdoc/>
    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        gradients.Check();
        int channels = tokensGradient.Columns;
        var token = Of(tokensGradient, batch * gradients.Tokens, channels);
        var patch = Of(patchTokensGradient, batch * gradients.Patches, channels);
        var (cls, tail) = (OfOptional(gradients.ClassToken, 1, channels), OfOptional(gradients.TailClassToken, 1, channels));
        var position = Of(gradients.Positions, gradients.Positions.Rows, channels);
        var time = OfOptional(gradients.TimePositions, gradients.TimePositions.Rows, channels);
        for (int b = 0; b < batch; b++)
            for (int row = 0, p = 0; row < gradients.Tokens; row++)
            {
                var (isClass, isTail) = (gradients.IsClassRow(row), gradients.IsTailRow(row));
                for (int c = 0; c < channels; c++)
                {
                    double g = token[b * gradients.Tokens + row, c];
                    position[isClass ? gradients.ClassRow : isTail ? position.Rows - 1 : gradients.PositionRow(p), c] += g;
                    if (isClass) cls[0, c] += g;
                    else if (isTail) tail[0, c] += g;
                    else
                    {
                        patch[b * gradients.Patches + p, c] = g;
                        if (!time.IsNone) time[gradients.TimeRow(p), c] += g;
                    }
                }
                if (!isClass && !isTail) p++;
            }
    }

    /// <inheritdoc/>
    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        var (from, to) = (Of(source, source.Rows, rows.Columns), Of(rows, rows.Rows, rows.Columns));
        int length = TokensPerImage(source.Rows, rows.Rows, row);
        for (int b = 0; b < to.Rows; b++)
            for (int c = 0; c < to.Columns; c++) to[b, c] = from[b * length + row, c];
    }

    /// <inheritdoc/>
    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false)
    {
        var (from, to) = (Of(rows, rows.Rows, rows.Columns), Of(destination, destination.Rows, rows.Columns));
        int length = TokensPerImage(destination.Rows, rows.Rows, row);
        if (!keepOthers) to.Clear();
        for (int b = 0; b < from.Rows; b++)
            for (int c = 0; c < from.Columns; c++) to[b * length + row, c] = from[b, c];
    }

    /// <inheritdoc/>
    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false)
    {
        var (from, to, factor) = (Of(x, x.Rows, x.Columns), Of(y, x.Rows, x.Columns), Of(factors, factors.Rows, 1));
        int length = TokensPerImage(x, factors.Rows, nameof(x));
        for (int row = 0; row < from.Rows; row++)
            for (int c = 0; c < from.Columns; c++)
            {
                double f = factor[row / length, 0];
                to[row, c] = (accumulate ? to[row, c] : 0) + (f == 0 ? 0 : f * from[row, c]);
            }
    }

    /// <inheritdoc/>
    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means)
    {
        var (from, to) = (Of(source, source.Rows, means.Columns), Of(means, means.Rows, means.Columns));
        var weight = OfOptional(weights, source.Rows, 1);
        int length = TokensPerImage(source.Rows, means.Rows, 0);
        for (int b = 0; b < to.Rows; b++)
            for (int c = 0; c < to.Columns; c++)
            {
                double sum = 0, weightSum = 0;
                for (int row = b * length; row < (b + 1) * length; row++)
                {
                    double w = weight.IsNone ? 1 : weight[row, 0];
                    (sum, weightSum) = (sum + w * from[row, c], weightSum + w);
                }
                to[b, c] = sum / weightSum;
            }
    }

    /// <inheritdoc/>
    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient)
    {
        var (gradient, to) = (Of(meansGradient, meansGradient.Rows, sourceGradient.Columns), Of(sourceGradient, sourceGradient.Rows, sourceGradient.Columns));
        var weight = OfOptional(weights, sourceGradient.Rows, 1);
        int length = TokensPerImage(sourceGradient.Rows, meansGradient.Rows, 0);
        for (int b = 0; b < gradient.Rows; b++)
        {
            double weightSum = 0;
            for (int row = b * length; row < (b + 1) * length; row++) weightSum += weight.IsNone ? 1 : weight[row, 0];
            for (int row = b * length; row < (b + 1) * length; row++)
                for (int c = 0; c < gradient.Columns; c++) to[row, c] = (weight.IsNone ? 1 : weight[row, 0]) / weightSum * gradient[b, c];
        }
    }

    private static int TokensPerImage(int rows, int images, int row)
    {
        if (images < 1 || rows % images != 0 || row < 0 || row >= rows / images)
            throw new ArgumentException($"{rows} rows of {images} images have no row {row} in each.", nameof(row));
        return rows / images;
    }
}

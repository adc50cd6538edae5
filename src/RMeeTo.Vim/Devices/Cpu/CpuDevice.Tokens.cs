namespace RMeeTo.Vim.Devices.Cpu;

// The two ends of the network: images to tokens, class token to losses.
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    public override void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images)
    {
        int plane = PixelsPerFrame(frames, pixels, images);
        byte* pixel = (byte*)HostBytes.Of(pixels, nameof(pixels)).Pointer;
        float* values = Pointer(table, 3, 256, nameof(table)), image = Pointer(images, images.Rows, images.Columns, nameof(images));
        float* red = values, green = values + table.Stride, blue = green + table.Stride;
        for (int b = 0; b < images.Rows; b++, image += images.Stride)
            for (int t = 0; t < frames; t++)
            {
                float* reds = image + (long)t * plane, greens = reds + (long)frames * plane, blues = greens + (long)frames * plane;
                for (int i = 0; i < plane; i++, pixel += 3) (reds[i], greens[i], blues[i]) = (red[pixel[0]], green[pixel[1]], blue[pixel[2]]);
            }
        GC.KeepAlive(pixels);
    }

    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        var (height, width, edge, frames, tubelet) = (config.ImageHeight, config.ImageWidth, config.PatchSize, Math.Max(1, config.Frames), config.TubeletSize);
        float* image = Pointer(images, images.Rows, config.InputLength, nameof(images));
        float* patch = Pointer(patches, images.Rows * config.Patches, config.PatchLength, nameof(patches));
        for (int b = 0; b < images.Rows; b++, image += images.Stride)
            for (int step = 0; step < config.TimeSteps; step++)
                for (int y = 0; y < config.GridHeight; y++)
                    for (int x = 0; x < config.GridWidth; x++, patch += patches.Stride)
                        for (int plane = 0; plane < 3 * tubelet; plane++)
                        {
                            int frame = plane / tubelet * frames + step * tubelet + plane % tubelet; // of the planes of one colour after another
                            float* from = image + ((long)frame * height + y * config.Stride) * width + x * config.Stride;
                            float* to = patch + (long)plane * edge * edge;
                            for (int line = 0; line < edge; line++) RowMath<TSimd, TVector>.Copy(from + (long)line * width, to + line * edge, edge);
                        }
    }

    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        tables.Check();
        var (length, channels) = (tables.Tokens, tokens.Columns);
        float* patch = Pointer(patchTokens, batch * tables.Patches, channels, nameof(patchTokens));
        float* token = Pointer(tokens, batch * length, channels, nameof(tokens));
        float* cls = PointerOrNull(tables.ClassToken, 1, channels, nameof(tables)), tail = PointerOrNull(tables.TailClassToken, 1, channels, nameof(tables));
        var (positions, times) = (tables.Positions, tables.TimePositions);
        float* position = Pointer(positions, positions.Rows, channels, nameof(tables)), time = PointerOrNull(times, times.Rows, channels, nameof(tables));
        for (int b = 0; b < batch; b++)
        {
            for (int row = 0, p = 0; row < length; row++, token += tokens.Stride)
            {
                if (tables.IsClassRow(row)) RowMath<TSimd, TVector>.Add(cls, position + (long)tables.ClassRow * positions.Stride, token, channels);
                else if (tables.IsTailRow(row)) RowMath<TSimd, TVector>.Add(tail, position + (positions.Rows - 1L) * positions.Stride, token, channels);
                else
                {
                    RowMath<TSimd, TVector>.Add(patch, position + (long)tables.PositionRow(p) * positions.Stride, token, channels);
                    if (time != null) RowMath<TSimd, TVector>.AddTo(time + (long)tables.TimeRow(p) * times.Stride, token, channels);
                    patch += patchTokens.Stride;
                    p++;
                }
            }
        }
    }

    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        gradients.Check();
        var (length, channels) = (gradients.Tokens, tokensGradient.Columns);
        var (positions, times) = (gradients.Positions, gradients.TimePositions);
        float* token = Pointer(tokensGradient, batch * length, channels, nameof(tokensGradient));
        float* patch = Pointer(patchTokensGradient, batch * gradients.Patches, channels, nameof(patchTokensGradient));
        float* cls = PointerOrNull(gradients.ClassToken, 1, channels, nameof(gradients));
        float* tail = PointerOrNull(gradients.TailClassToken, 1, channels, nameof(gradients));
        float* position = Pointer(positions, positions.Rows, channels, nameof(gradients)), time = PointerOrNull(times, times.Rows, channels, nameof(gradients));
        for (int b = 0; b < batch; b++)
        {
            for (int row = 0, p = 0; row < length; row++, token += tokensGradient.Stride)
            {
                if (gradients.IsClassRow(row))
                {
                    RowMath<TSimd, TVector>.AddTo(token, cls, channels);
                    RowMath<TSimd, TVector>.AddTo(token, position + (long)gradients.ClassRow * positions.Stride, channels);
                }
                else if (gradients.IsTailRow(row))
                {
                    RowMath<TSimd, TVector>.AddTo(token, tail, channels);
                    RowMath<TSimd, TVector>.AddTo(token, position + (positions.Rows - 1L) * positions.Stride, channels);
                }
                else
                {
                    RowMath<TSimd, TVector>.AddTo(token, position + (long)gradients.PositionRow(p) * positions.Stride, channels);
                    if (time != null) RowMath<TSimd, TVector>.AddTo(token, time + (long)gradients.TimeRow(p) * times.Stride, channels);
                    RowMath<TSimd, TVector>.Copy(token, patch, channels);
                    patch += patchTokensGradient.Stride;
                    p++;
                }
            }
        }
    }

    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        if (rows.Rows == 0) return;
        int length = source.Rows / rows.Rows;
        float* from = Pointer(source, length * rows.Rows, rows.Columns, nameof(source)) + (long)row * source.Stride;
        float* to = Pointer(rows, rows.Rows, rows.Columns, nameof(rows));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)length, nameof(row));
        for (int b = 0; b < rows.Rows; b++) RowMath<TSimd, TVector>.Copy(from + (long)b * length * source.Stride, to + (long)b * rows.Stride, rows.Columns);
    }

    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false)
    {
        if (rows.Rows == 0) return;
        int length = destination.Rows / rows.Rows;
        float* from = Pointer(rows, rows.Rows, rows.Columns, nameof(rows)), to = Pointer(destination, length * rows.Rows, rows.Columns, nameof(destination));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)length, nameof(row));
        for (int i = 0; i < destination.Rows; i++)
        {
            if (i % length == row) RowMath<TSimd, TVector>.Copy(from + (long)(i / length) * rows.Stride, to + (long)i * destination.Stride, rows.Columns);
            else if (!keepOthers) new Span<float>(to + (long)i * destination.Stride, rows.Columns).Clear();
        }
    }

    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false)
    {
        var (length, channels) = (TokensPerImage(x, factors.Rows, nameof(x)), x.Columns);
        float* from = Pointer(x, x.Rows, channels, nameof(x)), to = Pointer(y, x.Rows, channels, nameof(y));
        float* factor = Pointer(factors, factors.Rows, 1, nameof(factors));
        for (int b = 0; b < factors.Rows; b++, factor += factors.Stride)
            for (int row = 0; row < length; row++, from += x.Stride, to += y.Stride)
            {
                if (*factor == 0 && !accumulate) new Span<float>(to, channels).Clear();
                else if (*factor != 0 && accumulate) RowMath<TSimd, TVector>.AddScaled(from, *factor, to, channels);
                else if (*factor != 0) RowMath<TSimd, TVector>.Scale(from, *factor, to, channels);
            }
    }

    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means)
    {
        if (means.Rows == 0) return;
        var (length, channels) = (RowsPerImage(source, means), means.Columns);
        float* row = Pointer(source, source.Rows, channels, nameof(source)), weight = PointerOrNull(weights, source.Rows, 1, nameof(weights));
        float* mean = Pointer(means, means.Rows, channels, nameof(means));
        for (int b = 0; b < means.Rows; b++, mean += means.Stride)
        {
            float share = 1 / WeightSum(weight, weights.Stride, b, length);
            new Span<float>(mean, channels).Clear();
            for (int i = b * length; i < (b + 1) * length; i++, row += source.Stride)
                RowMath<TSimd, TVector>.AddScaled(row, weight == null ? share : share * weight[(long)i * weights.Stride], mean, channels);
        }
    }

    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient)
    {
        if (meansGradient.Rows == 0) return;
        var (length, channels) = (RowsPerImage(sourceGradient, meansGradient), meansGradient.Columns);
        float* row = Pointer(sourceGradient, sourceGradient.Rows, channels, nameof(sourceGradient));
        float* weight = PointerOrNull(weights, sourceGradient.Rows, 1, nameof(weights));
        float* mean = Pointer(meansGradient, meansGradient.Rows, channels, nameof(meansGradient));
        for (int b = 0; b < meansGradient.Rows; b++, mean += meansGradient.Stride)
        {
            float share = 1 / WeightSum(weight, weights.Stride, b, length);
            for (int i = b * length; i < (b + 1) * length; i++, row += sourceGradient.Stride)
                RowMath<TSimd, TVector>.Scale(mean, weight == null ? share : share * weight[(long)i * weights.Stride], row, channels);
        }
    }

    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        float* from = Pointer(logits, rows, classes, nameof(logits)), to = Pointer(probabilities, rows, classes, nameof(probabilities));
        for (int b = 0; b < rows; b++) Probabilities(from + (long)b * logits.Stride, to + (long)b * probabilities.Stride, classes);
    }

    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        float* logit = Pointer(logits, rows, classes, nameof(logits)), target = Pointer(targets, rows, classes, nameof(targets));
        float* teacher = PointerOrNull(teacherLogits, rows, classes, nameof(teacherLogits));
        float* gradient = Pointer(logitsGradient, rows, classes, nameof(logitsGradient));
        float* loss = Pointer(losses, rows, 1, nameof(losses)), student = Scratch(2 * (nint)classes), taught = student + classes;
        for (int b = 0; b < rows; b++)
        {
            double logSum = Probabilities(logit, student, classes), total = 0, targetSum = 0;
            double teacherLogSum = teacher == null ? 0 : Probabilities(teacher, taught, classes);
            for (int c = 0; c < classes; c++)
            {
                targetSum += target[c];
                total -= weights.Target * (target[c] * (logit[c] - logSum));
                if (teacher != null && taught[c] > 0) total += weights.Teacher * (taught[c] * (teacher[c] - teacherLogSum - (logit[c] - logSum)));
            }
            for (int c = 0; c < classes; c++)
            {
                double slope = weights.Target * (targetSum * student[c] - target[c]);
                if (teacher != null) slope += weights.Teacher * (student[c] - (double)taught[c]);
                gradient[c] = (float)(gradientScale * slope);
            }
            loss[(long)b * losses.Stride] = (float)total;
            logit += logits.Stride;
            target += targets.Stride;
            gradient += logitsGradient.Stride;
            if (teacher != null) teacher += teacherLogits.Stride;
        }
    }

    /// <summary>Softmax of one row; returns the logarithm of the sum of exponentials.</summary>
    private static double Probabilities(float* logits, float* probabilities, int classes)
    {
        float largest = logits[0];
        for (int c = 1; c < classes; c++) largest = MathF.Max(largest, logits[c]);
        double sum = 0;
        for (int c = 0; c < classes; c++)
        {
            probabilities[c] = MathF.Exp(logits[c] - largest);
            sum += probabilities[c];
        }
        float factor = (float)(1 / sum);
        for (int c = 0; c < classes; c++) probabilities[c] *= factor;
        return largest + Math.Log(sum);
    }

    private static int RowsPerImage(DeviceMatrix rows, DeviceMatrix images) => rows.Rows >= images.Rows && rows.Rows % images.Rows == 0
        ? rows.Rows / images.Rows
        : throw new ArgumentException($"{rows.Rows} rows do not belong to {images.Rows} images, as many to each.", nameof(rows));

    private static float WeightSum(float* weights, int stride, int image, int length)
    {
        if (weights == null) return length;
        double sum = 0;
        for (int i = image * length; i < (image + 1) * length; i++) sum += weights[(long)i * stride];
        return (float)sum;
    }
}

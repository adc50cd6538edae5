namespace RMeeTo.Vim.Devices.Cpu;

// The two ends of the network: images to tokens, class token to losses.
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        var (height, width, edge) = (config.ImageHeight, config.ImageWidth, config.PatchSize);
        float* image = Pointer(images, images.Rows, 3 * height * width, nameof(images)), patch = Pointer(patches, images.Rows * config.Patches, config.PatchLength, nameof(patches));
        for (int b = 0; b < images.Rows; b++, image += images.Stride)
            for (int y = 0; y < config.GridHeight; y++)
                for (int x = 0; x < config.GridWidth; x++, patch += patches.Stride)
                    for (int line = 0; line < 3 * edge; line++)
                    {
                        var (channel, dy) = (line / edge, line % edge);
                        float* from = image + ((long)channel * height + y * config.Stride + dy) * width + x * config.Stride;
                        RowMath<TSimd, TVector>.Copy(from, patch + line * edge, edge);
                    }
    }

    public override void Embed(int batch, int classRow, DeviceMatrix patchTokens, DeviceMatrix classToken, DeviceMatrix positions, DeviceMatrix tokens)
    {
        var (length, channels) = (positions.Rows, positions.Columns);
        float* patch = Pointer(patchTokens, batch * (length - 1), channels, nameof(patchTokens)), cls = Pointer(classToken, 1, channels, nameof(classToken));
        float* position = Pointer(positions, length, channels, nameof(positions)), token = Pointer(tokens, batch * length, channels, nameof(tokens));
        for (int b = 0; b < batch; b++)
        {
            for (int row = 0; row < length; row++, token += tokens.Stride)
            {
                RowMath<TSimd, TVector>.Add(row == classRow ? cls : patch, position + (long)row * positions.Stride, token, channels);
                if (row != classRow) patch += patchTokens.Stride;
            }
        }
    }

    public override void EmbedGradient(int batch, int classRow, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, DeviceMatrix classTokenGradient, DeviceMatrix positionsGradient)
    {
        var (length, channels) = (positionsGradient.Rows, positionsGradient.Columns);
        float* token = Pointer(tokensGradient, batch * length, channels, nameof(tokensGradient)), patch = Pointer(patchTokensGradient, batch * (length - 1), channels, nameof(patchTokensGradient));
        float* cls = Pointer(classTokenGradient, 1, channels, nameof(classTokenGradient)), position = Pointer(positionsGradient, length, channels, nameof(positionsGradient));
        for (int b = 0; b < batch; b++)
        {
            for (int row = 0; row < length; row++, token += tokensGradient.Stride)
            {
                RowMath<TSimd, TVector>.AddTo(token, position + (long)row * positionsGradient.Stride, channels);
                if (row == classRow)
                {
                    RowMath<TSimd, TVector>.AddTo(token, cls, channels);
                    continue;
                }
                RowMath<TSimd, TVector>.Copy(token, patch, channels);
                patch += patchTokensGradient.Stride;
            }
        }
    }

    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        if (rows.Rows == 0) return;
        int length = source.Rows / rows.Rows;
        float* from = Pointer(source, length * rows.Rows, rows.Columns, nameof(source)) + (long)row * source.Stride, to = Pointer(rows, rows.Rows, rows.Columns, nameof(rows));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)length, nameof(row));
        for (int b = 0; b < rows.Rows; b++) RowMath<TSimd, TVector>.Copy(from + (long)b * length * source.Stride, to + (long)b * rows.Stride, rows.Columns);
    }

    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination)
    {
        if (rows.Rows == 0) return;
        int length = destination.Rows / rows.Rows;
        float* from = Pointer(rows, rows.Rows, rows.Columns, nameof(rows)), to = Pointer(destination, length * rows.Rows, rows.Columns, nameof(destination));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)length, nameof(row));
        for (int i = 0; i < destination.Rows; i++)
        {
            if (i % length == row) RowMath<TSimd, TVector>.Copy(from + (long)(i / length) * rows.Stride, to + (long)i * destination.Stride, rows.Columns);
            else new Span<float>(to + (long)i * destination.Stride, rows.Columns).Clear();
        }
    }

    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        float* from = Pointer(logits, rows, classes, nameof(logits)), to = Pointer(probabilities, rows, classes, nameof(probabilities));
        for (int b = 0; b < rows; b++) Probabilities(from + (long)b * logits.Stride, to + (long)b * probabilities.Stride, classes);
    }

    public override void Loss(LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale, DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        float* logit = Pointer(logits, rows, classes, nameof(logits)), target = Pointer(targets, rows, classes, nameof(targets));
        float* teacher = PointerOrNull(teacherLogits, rows, classes, nameof(teacherLogits)), gradient = Pointer(logitsGradient, rows, classes, nameof(logitsGradient));
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
}

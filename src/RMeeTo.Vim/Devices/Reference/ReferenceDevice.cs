using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>
/// Every operator as its formula, one value at a time, in double. It says what an operator means: gradients are checked on it by central differences, and every other
/// device is tested against it. Too slow for anything else.
/// </summary>
/// <remarks>It checks the shapes of all operands, so a network that runs here passes the right shapes to every device.</remarks>
public sealed partial class ReferenceDevice : VimDevice
{
    /// <inheritdoc/>
    public override string Name => "Reference (scalar, double)";

    /// <inheritdoc/>
    public override DeviceBuffer Allocate(long length) => new ReferenceBuffer(length);

    /// <inheritdoc/>
    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining) => new Weight(weight);

    /// <inheritdoc/>
    public override void Refresh(LinearWeight weight) { }

    /// <inheritdoc/>
    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) => new ReferenceMergePlan(batchCapacity, step, options);

    /// <summary>0: <see cref="SelectiveScanGradient"/> always scans from the start again.</summary>
    public override long ScanCheckpointLength(int batch, int length, int channels, int states) => 0;

    /// <inheritdoc/>
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches)
    {
        var (height, width, edge) = (config.ImageHeight, config.ImageWidth, config.PatchSize);
        var image = Of(images, images.Rows, 3 * height * width);
        var patch = Of(patches, images.Rows * config.Patches, config.PatchLength);
        for (int row = 0; row < patch.Rows; row++)
        {
            int top = row % config.Patches / config.GridWidth * config.Stride, left = row % config.GridWidth * config.Stride;
            for (int i = 0; i < patch.Columns; i++)
            {
                var (channel, y, x) = (i / (edge * edge), i / edge % edge, i % edge);
                patch[row, i] = image[row / config.Patches, (channel * height + top + y) * width + left + x];
            }
        }
    }

    /// <inheritdoc/>
    public override void Embed(int batch, int classRow, DeviceMatrix patchTokens, DeviceMatrix classToken, DeviceMatrix positions, DeviceMatrix tokens)
    {
        var (length, channels) = (positions.Rows, tokens.Columns);
        var patch = Of(patchTokens, batch * (length - 1), channels);
        var cls = Of(classToken, 1, channels);
        var position = Of(positions, length, channels);
        var token = Of(tokens, batch * length, channels);
        for (int b = 0; b < batch; b++)
            for (int t = 0; t < length; t++)
                for (int c = 0; c < channels; c++)
                    token[b * length + t, c] = position[t, c] + (t == classRow ? cls[0, c] : patch[PatchRow(b, t, length, classRow), c]);
    }

    /// <inheritdoc/>
    public override void EmbedGradient(int batch, int classRow, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, DeviceMatrix classTokenGradient, DeviceMatrix positionsGradient)
    {
        var (length, channels) = (positionsGradient.Rows, tokensGradient.Columns);
        var token = Of(tokensGradient, batch * length, channels);
        var patch = Of(patchTokensGradient, batch * (length - 1), channels);
        var cls = Of(classTokenGradient, 1, channels);
        var position = Of(positionsGradient, length, channels);
        for (int b = 0; b < batch; b++)
            for (int t = 0; t < length; t++)
                for (int c = 0; c < channels; c++)
                {
                    double g = token[b * length + t, c];
                    position[t, c] += g;
                    if (t == classRow) cls[0, c] += g;
                    else patch[PatchRow(b, t, length, classRow), c] = g;
                }
    }

    private static int PatchRow(int image, int token, int length, int classRow) => image * (length - 1) + (token < classRow ? token : token - 1);

    /// <inheritdoc/>
    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false)
    {
        var (input, output) = (Of(x, y.Rows, x.Columns), Of(y, y.Rows, y.Columns));
        var w = Of(weight.Matrix, y.Columns, x.Columns);
        var b = OfOptional(bias, 1, y.Columns);
        for (int m = 0; m < output.Rows; m++)
            for (int o = 0; o < output.Columns; o++)
            {
                double sum = b.IsNone ? 0 : b[0, o];
                for (int i = 0; i < input.Columns; i++) sum += input[m, i] * w[o, i];
                Put(ref output[m, o], sum, accumulate);
            }
    }

    /// <inheritdoc/>
    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false)
    {
        var (output, input) = (Of(dy, dx.Rows, dy.Columns), Of(dx, dx.Rows, dx.Columns));
        var w = Of(weight.Matrix, dy.Columns, dx.Columns);
        for (int m = 0; m < input.Rows; m++)
            for (int i = 0; i < input.Columns; i++)
            {
                double sum = 0;
                for (int o = 0; o < output.Columns; o++) sum += output[m, o] * w[o, i];
                Put(ref input[m, i], sum, accumulate);
            }
    }

    /// <inheritdoc/>
    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (output, input) = (Of(dy, x.Rows, dy.Columns), Of(x, x.Rows, x.Columns));
        var dw = Of(weightGradient, dy.Columns, x.Columns);
        var db = OfOptional(biasGradient, 1, dy.Columns);
        for (int m = 0; m < output.Rows; m++)
            for (int o = 0; o < output.Columns; o++)
            {
                for (int i = 0; i < input.Columns; i++) dw[o, i] += output[m, o] * input[m, i];
                if (!db.IsNone) db[0, o] += output[m, o];
            }
    }

    /// <inheritdoc/>
    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y)
    {
        var (input, output) = (Of(x, y.Rows, y.Columns), Of(y, y.Rows, y.Columns));
        var f = Of(factor, 1, y.Columns);
        for (int m = 0; m < output.Rows; m++)
            for (int c = 0; c < output.Columns; c++) output[m, c] = input[m, c] * f[0, c];
    }

    /// <inheritdoc/>
    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient)
    {
        var (input, f) = (Of(x, dy.Rows, dy.Columns), Of(factor, 1, dy.Columns));
        var (g, gx) = (Of(dy, dy.Rows, dy.Columns), Of(dx, dy.Rows, dy.Columns));
        var gf = Of(factorGradient, 1, dy.Columns);
        for (int m = 0; m < g.Rows; m++)
            for (int c = 0; c < g.Columns; c++)
            {
                gf[0, c] += g[m, c] * input[m, c];
                gx[m, c] = g[m, c] * f[0, c];
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
    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination)
    {
        var (from, to) = (Of(rows, rows.Rows, rows.Columns), Of(destination, destination.Rows, rows.Columns));
        int length = TokensPerImage(destination.Rows, rows.Rows, row);
        to.Clear();
        for (int b = 0; b < from.Rows; b++)
            for (int c = 0; c < from.Columns; c++) to[b * length + row, c] = from[b, c];
    }

    private static int TokensPerImage(int rows, int images, int row)
    {
        if (rows % images != 0 || row < 0 || row >= rows / images)
            throw new ArgumentException($"{rows} rows of {images} images have no row {row} in each.", nameof(row));
        return rows / images;
    }

    /// <summary>Writes a value, or adds it.</summary>
    private static void Put(ref double destination, double value, bool accumulate) => destination = accumulate ? destination + value : value;

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Silu(double x) => x * Sigmoid(x);

    /// <summary>d silu(x) / dx = σ(x) (1 + x (1 − σ(x))).</summary>
    private static double SiluSlope(double x) => Sigmoid(x) * (1 + x * (1 - Sigmoid(x)));

    private sealed class Weight(DeviceMatrix matrix) : LinearWeight(matrix);
}

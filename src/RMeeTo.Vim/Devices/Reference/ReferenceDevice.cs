using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

/// <summary>
/// Every operator as its formula, one value at a time, in double. It says what an operator means: gradients are checked on it by central differences, and
/// every other device is tested against it. Too slow for anything else.
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

    /// <summary>Writes a value, or adds it.</summary>
    private static void Put(ref double destination, double value, bool accumulate) => destination = accumulate ? destination + value : value;

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Silu(double x) => x * Sigmoid(x);

    /// <summary>d silu(x) / dx = σ(x) (1 + x (1 − σ(x))).</summary>
    private static double SiluSlope(double x) => Sigmoid(x) * (1 + x * (1 - Sigmoid(x)));

    private sealed class Weight(DeviceMatrix matrix) : LinearWeight(matrix);
}

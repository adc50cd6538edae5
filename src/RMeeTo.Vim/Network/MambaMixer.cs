using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Network;

/// <summary>
/// The bidirectional Mamba mixer of one block (spec 1.1): (x, z) = W_in · token; per direction u = SiLU(conv(x)), (δ, B, C) = W_x · u, Δ = softplus(W_dt · δ
/// + b), o = scan(u, Δ, A, B, C, D) · SiLU(z); output = W_out · (o_forward + o_backward), halved where <see cref="VimConfig.AverageDirections"/>.
/// </summary>
internal sealed class MambaMixer(VimConfig config, BlockParameters parameters, DeviceWeights weights)
{
    /// <summary>
    /// Computes <paramref name="output"/> [B·L, C] from <c>activations.Normed</c>, and gathers <paramref name="evidence"/> where a merge wants it.
    /// </summary>
    public void Forward(VimDevice device, BlockActivations activations, int batch, int length, DeviceMatrix output, MergeEvidence? evidence = null)
    {
        int rows = batch * length;
        device.Linear(activations.Normed.SliceRows(0, rows), weights.LinearOf(parameters.Input), weights[parameters.InputBias], activations.Input.SliceRows(0, rows));
        Direction(device, parameters.Forward, activations.Forward, activations, 0, batch, length, reverse: false);
        evidence?.Add(device, activations.Forward, batch, length, reverse: false);
        Direction(device, parameters.Backward, activations.Backward, activations, 0, batch, length, reverse: true);
        evidence?.Add(device, activations.Backward, batch, length, reverse: true);
        Project(device, activations.ScanOutput.SliceRows(0, rows), activations.Unscaled.IsNone ? output : activations.Unscaled.SliceRows(0, rows), output);
    }

    /// <summary>
    /// The same for one row of every image only, with the same bits; the others are left undefined. What comes after the row in its direction of scan cannot
    /// reach it: the forward scan ends there, and so does the backward one, where images go one by one.
    /// </summary>
    public void ForwardRow(VimDevice device, BlockActivations activations, int batch, int length, int row, DeviceMatrix output)
    {
        int rows = batch * length;
        device.Linear(activations.Normed.SliceRows(0, rows), weights.LinearOf(parameters.Input), weights[parameters.InputBias], activations.Input.SliceRows(0, rows));
        if (device.PrefersWholeBatches && batch > 1)
        {
            Direction(device, parameters.Forward, activations.Forward, activations, 0, batch, length, reverse: false);
            Direction(device, parameters.Backward, activations.Backward, activations, 0, batch, length, reverse: true);
        }
        else
        {
            for (int image = 0; image < batch; image++)
            {
                Direction(device, parameters.Forward, activations.Forward, activations, image * length, 1, row + 1, reverse: false);
                Direction(device, parameters.Backward, activations.Backward, activations, image * length + row, 1, length - row, reverse: true);
            }
        }
        Project(device, OfEveryImage(activations.ScanOutput), activations.Unscaled.IsNone ? OfEveryImage(output) : OfEveryImage(activations.Unscaled), OfEveryImage(output));

        DeviceMatrix OfEveryImage(DeviceMatrix m) => m with { Offset = m.Offset + (long)row * m.Stride, Rows = batch, Stride = length * m.Stride };
    }

    private void Direction(VimDevice device, DirectionParameters direction, DirectionActivations a, BlockActivations activations, int firstRow, int batch, int length, bool reverse)
    {
        int rows = batch * length;
        var (convolved, projected, deltaRaw) = (a.Convolved.SliceRows(firstRow, rows), a.Projected.SliceRows(firstRow, rows), a.DeltaRaw.SliceRows(firstRow, rows));
        device.CausalConv(Conv(direction, batch, length, reverse), activations.Input.SliceRows(firstRow, rows).SliceColumns(0, config.InnerWidth), convolved);
        device.Linear(convolved, weights.LinearOf(direction.Projection), default, projected);
        device.Linear(projected.SliceColumns(0, config.TimeStepRank), weights.LinearOf(direction.DeltaWeight), default, deltaRaw);
        device.SelectiveScan(Scan(direction, a, activations, firstRow, batch, length, reverse), activations.ScanOutput.SliceRows(firstRow, rows), accumulate: reverse, a.Checkpoints);
    }

    private void Project(VimDevice device, DeviceMatrix scanOutput, DeviceMatrix unscaled, DeviceMatrix output)
    {
        device.Linear(scanOutput, weights.LinearOf(parameters.Output), weights[parameters.OutputBias], unscaled);
        if (parameters.Gamma is not null) device.ScaleChannels(unscaled, weights[parameters.Gamma], output);
    }

    /// <summary>
    /// From the gradient of the output to that of <c>activations.Normed</c> (written to <c>scratch.Normed</c>), adding the parameters' gradients.
    /// </summary>
    public void Backward(VimDevice device, BlockActivations activations, MixerGradients scratch, int batch, int length, DeviceMatrix outputGradient, ParameterBuffer gradients)
    {
        int rows = batch * length;
        var input = activations.Input.SliceRows(0, rows);
        var inputGradient = scratch.Input.SliceRows(0, rows);
        var scanGradient = scratch.ScanOutput.SliceRows(0, rows);
        var x = input.SliceColumns(0, config.InnerWidth);
        if (parameters.Gamma is not null)
        {
            var unscaledGradient = scratch.Unscaled.SliceRows(0, rows);
            device.ScaleChannelsGradient(activations.Unscaled.SliceRows(0, rows), weights[parameters.Gamma], outputGradient, unscaledGradient, gradients[parameters.Gamma]);
            outputGradient = unscaledGradient;
        }
        Linear(parameters.Output, parameters.OutputBias, outputGradient, activations.ScanOutput.SliceRows(0, rows), scanGradient);
        Direction(parameters.Forward, activations.Forward, reverse: false);
        Direction(parameters.Backward, activations.Backward, reverse: true);
        Linear(parameters.Input, parameters.InputBias, inputGradient, activations.Normed.SliceRows(0, rows), scratch.Normed.SliceRows(0, rows));

        void Direction(DirectionParameters direction, DirectionActivations a, bool reverse)
        {
            var (n, r) = (config.StateSize, config.TimeStepRank);
            var convolvedGradient = scratch.Convolved.SliceRows(0, rows);
            var deltaGradient = scratch.DeltaRaw.SliceRows(0, rows);
            var projectedGradient = scratch.Projected.SliceRows(0, rows);
            device.SelectiveScanGradient(Scan(direction, a, activations, 0, batch, length, reverse), a.Checkpoints!, scanGradient, new ScanGradients
            {
                Input = convolvedGradient,
                DeltaRaw = deltaGradient,
                B = projectedGradient.SliceColumns(r, n),
                C = projectedGradient.SliceColumns(r + n, n),
                Gate = inputGradient.SliceColumns(config.InnerWidth, config.InnerWidth),
                AccumulateGate = reverse,
                ALog = gradients[direction.ALog],
                Skip = gradients[direction.D],
                DeltaBias = gradients[direction.DeltaBias],
            });
            Linear(direction.DeltaWeight, null, deltaGradient, a.Projected.SliceRows(0, rows).SliceColumns(0, r), projectedGradient.SliceColumns(0, r));
            Linear(direction.Projection, null, projectedGradient, a.Convolved.SliceRows(0, rows), convolvedGradient, accumulate: true);
            device.CausalConvGradient(Conv(direction, batch, length, reverse), x, convolvedGradient, inputGradient.SliceColumns(0, config.InnerWidth), accumulate: reverse,
                gradients[direction.ConvWeight], gradients[direction.ConvBias]);
        }

        void Linear(VimParameter weight, VimParameter? bias, DeviceMatrix dy, DeviceMatrix inputs, DeviceMatrix dx, bool accumulate = false)
        {
            device.LinearWeightGradient(dy, inputs, gradients[weight], gradients[bias]);
            device.LinearInputGradient(dy, weights.LinearOf(weight), dx, accumulate);
        }
    }

    private ConvOperands Conv(DirectionParameters direction, int batch, int length, bool reverse) => new()
    {
        Batch = batch,
        Length = length,
        Reverse = reverse,
        Weight = weights[direction.ConvWeight],
        Bias = weights[direction.ConvBias],
        Silu = true,
    };

    private ScanOperands Scan(DirectionParameters direction, DirectionActivations a, BlockActivations activations, int firstRow, int batch, int length, bool reverse)
    {
        int rows = batch * length;
        var projected = a.Projected.SliceRows(firstRow, rows);
        return new ScanOperands
        {
            Batch = batch,
            Length = length,
            Reverse = reverse,
            Input = a.Convolved.SliceRows(firstRow, rows),
            DeltaRaw = a.DeltaRaw.SliceRows(firstRow, rows),
            DeltaBias = weights[direction.DeltaBias],
            ALog = weights[direction.ALog],
            B = projected.SliceColumns(config.TimeStepRank, config.StateSize),
            C = projected.SliceColumns(config.TimeStepRank + config.StateSize, config.StateSize),
            Skip = weights[direction.D],
            Gate = activations.Input.SliceRows(firstRow, rows).SliceColumns(config.InnerWidth, config.InnerWidth),
            Softplus = true,
            OutputScale = config.AverageDirections ? 0.5f : 1f,
        };
    }
}

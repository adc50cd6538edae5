using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.ScanKernels;

namespace RMeeTo.Cuda;

// The gradient of the selective scan.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        ArgumentNullException.ThrowIfNull(checkpoints);
        var (rows, channels, states) = (checked(scan.Batch * scan.Length), scan.Input.Columns, scan.ALog.Columns);
        int groups = Groups(states);
        var arguments = new GradientArguments
        {
            Scan = ScanArgument(scan, checkpoints),
            OutputGradient = Argument(outputGradient, rows, channels, nameof(outputGradient)),
            InputGradient = Argument(gradients.Input, rows, channels, nameof(gradients.Input)),
            DeltaGradient = Argument(gradients.DeltaRaw, rows, channels, nameof(gradients.DeltaRaw)),
            GateGradient = scan.Gate.IsNone ? default : Argument(gradients.Gate, rows, channels, nameof(gradients.Gate)),
            AccumulateGate = gradients.AccumulateGate ? 1 : 0,
        };
        var ofTokens = new TokenSumArguments
        {
            B = Argument(gradients.B, rows, states, nameof(gradients.B)),
            C = Argument(gradients.C, rows, states, nameof(gradients.C)),
            Blocks = (int)Blocks(channels, Threads),
            SumColumns = 2 * Group * groups,
        };
        var skip = ArgumentOrNone(gradients.Skip, 1, channels, nameof(gradients.Skip));
        var bias = ArgumentOrNone(gradients.DeltaBias, 1, channels, nameof(gradients.DeltaBias));
        var targets = new SumTargets(Contiguous(gradients.ALog, channels, states, nameof(gradients.ALog)), skip, bias);
        if (rows == 0 || channels == 0) return;

        long tokenSums = (long)ofTokens.Blocks * rows * ofTokens.SumColumns;
        nint scratch = Scratch(tokenSums + (long)scan.Batch * targets.Columns);
        arguments.TokenSums = ofTokens.TokenSums = scratch;
        arguments.ParameterSums = new MatrixArgument(scratch + (nint)(tokenSums * sizeof(float)), scan.Batch, targets.Columns, targets.Columns);
        arguments.SkipColumn = skip.IsNone ? -1 : channels * states;
        arguments.BiasColumn = bias.IsNone ? -1 : channels * states + (skip.IsNone ? 0 : channels);

        var variant = GradientVariant.Of(Runtime.MaximumSharedBytes, groups);
        Launch(Gradient(groups, variant), ScanBlocks(scan), Threads, arguments, variant.SharedBytes(groups));
        Launch(TokenSums, Blocks((long)rows * 2 * states, SumThreads), SumThreads, ofTokens);
        AddPartialSums(arguments.ParameterSums, targets);
    }
}

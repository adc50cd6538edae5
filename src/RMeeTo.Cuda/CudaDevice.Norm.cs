using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.NormKernels;

namespace RMeeTo.Cuda;

// Addition and normalisation.
public sealed unsafe partial class CudaDevice
{
    /// <summary>Blocks of the gradient at most: each leaves a row of partial sums.</summary>
    private const int MaximumNormBlocks = 1024;

    /// <inheritdoc/>
    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        var (rows, channels) = (residual.Rows, residual.Columns);
        var arguments = new ForwardArguments
        {
            Residual = Argument(residual, rows, channels, nameof(residual)),
            Hidden = ArgumentOrNone(hidden, rows, channels, nameof(hidden)),
            Sum = Argument(sum, rows, channels, nameof(sum)),
            Y = Argument(y, rows, channels, nameof(y)),
            Statistics = Argument(statistics, rows, 2, nameof(statistics)),
            Weight = Argument(norm.Weight, 1, channels, nameof(norm.Weight)).Data,
            Bias = ArgumentOrNone(norm.Bias, 1, channels, nameof(norm.Bias)).Data,
            Epsilon = norm.Epsilon,
            Layer = norm.Kind == NormKind.Layer ? 1 : 0,
        };
        if (rows == 0 || channels == 0) return;
        Launch(arguments.FitsRegisters ? Forward(channels) : ForwardAny, Blocks(rows, Warps), NormKernels.Threads, arguments);
    }

    /// <inheritdoc/>
    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels) = (sum.Rows, sum.Columns);
        var arguments = new GradientArguments
        {
            Sum = Argument(sum, rows, channels, nameof(sum)),
            Statistics = Argument(statistics, rows, 2, nameof(statistics)),
            Dy = Argument(dy, rows, channels, nameof(dy)),
            SumGradient = Argument(sumGradient, rows, channels, nameof(sumGradient)),
            Weight = Argument(norm.Weight, 1, channels, nameof(norm.Weight)).Data,
            BlockRows = Math.Max(1, (int)Blocks(Blocks(rows, Warps), MaximumNormBlocks)) * Warps,
            Layer = norm.Kind == NormKind.Layer ? 1 : 0,
        };
        var targets = new SumTargets(
            Argument(weightGradient, 1, channels, nameof(weightGradient)), ArgumentOrNone(biasGradient, 1, channels, nameof(biasGradient)));
        if (rows == 0 || channels == 0) return;
        int blocks = (int)Blocks(rows, arguments.BlockRows);
        arguments.Partials = new MatrixArgument(Scratch((long)blocks * targets.Columns), blocks, targets.Columns, targets.Columns);
        if (arguments.FitsRegisters)
        {
            Launch(Gradient(channels, !biasGradient.IsNone), blocks, NormKernels.Threads, arguments);
        }
        else
        {
            Launch(GradientAny, Blocks(rows, Warps), NormKernels.Threads, arguments);
            Launch(ParameterSums, Blocks(channels, 32), blocks, 1, NormKernels.Threads, arguments);
        }
        AddPartialSums(arguments.Partials, targets);
    }
}

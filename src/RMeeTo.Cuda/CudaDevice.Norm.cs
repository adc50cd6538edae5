using System.Runtime.InteropServices;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

// Addition and normalisation.
public sealed unsafe partial class CudaDevice
{
    private const int NormThreads = 256, NormWarps = NormThreads / 32;

    /// <summary>Channels that a warp holds in one float4 a lane, and how many of these it has registers for.</summary>
    private const int NormGroup = 128, MaximumNormGroups = 8;

    /// <summary>Blocks of the gradient at most: each leaves a row of partial sums.</summary>
    private const int MaximumNormBlocks = 1024;

    private static readonly CudaKernel[] s_addNorm = OfEveryNormGroups("add_norm");
    private static readonly CudaKernel[] s_addNormGradient = OfEveryNormGroups("add_norm_gradient"), s_addNormGradientBias = OfEveryNormGroups("add_norm_gradient_bias");
    private static readonly (string Name, int Value) s_anyNorm = ("GROUPS", 0);
    private static readonly CudaKernel s_addNormAny = new("norm.cu", "add_norm_any", s_anyNorm);
    private static readonly CudaKernel s_addNormGradientAny = new("norm.cu", "add_norm_gradient_any", s_anyNorm), s_normParameterSums = new("norm.cu", "norm_parameter_sums", s_anyNorm);

    [StructLayout(LayoutKind.Sequential)]
    private struct AddNormArguments
    {
        public MatrixArgument Residual, Hidden, Sum, Y, Statistics;
        public nint Weight, Bias;
        public float Epsilon;
        public int Layer;

        public readonly bool IsVectorizable => Residual.IsVectorizable && Hidden.IsVectorizable && Sum.IsVectorizable && Y.IsVectorizable && (Weight | Bias) % 16 == 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct AddNormGradientArguments
    {
        public MatrixArgument Sum, Statistics, Dy, SumGradient, Partials;
        public nint Weight;
        public int BlockRows, Layer;

        public readonly bool IsVectorizable => Sum.IsVectorizable && Dy.IsVectorizable && SumGradient.IsVectorizable && Weight % 16 == 0;
    }

    /// <inheritdoc/>
    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        var (rows, channels) = (residual.Rows, residual.Columns);
        var arguments = new AddNormArguments
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
        bool inRegisters = arguments.IsVectorizable && channels <= NormGroup * MaximumNormGroups;
        Launch(inRegisters ? OfNormGroups(s_addNorm, channels) : s_addNormAny, Blocks(rows, NormWarps), NormThreads, arguments);
    }

    /// <inheritdoc/>
    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels) = (sum.Rows, sum.Columns);
        var arguments = new AddNormGradientArguments
        {
            Sum = Argument(sum, rows, channels, nameof(sum)),
            Statistics = Argument(statistics, rows, 2, nameof(statistics)),
            Dy = Argument(dy, rows, channels, nameof(dy)),
            SumGradient = Argument(sumGradient, rows, channels, nameof(sumGradient)),
            Weight = Argument(norm.Weight, 1, channels, nameof(norm.Weight)).Data,
            BlockRows = Math.Max(1, (int)Blocks(Blocks(rows, NormWarps), MaximumNormBlocks)) * NormWarps,
            Layer = norm.Kind == NormKind.Layer ? 1 : 0,
        };
        var targets = new SumTargets(
            Argument(weightGradient, 1, channels, nameof(weightGradient)), ArgumentOrNone(biasGradient, 1, channels, nameof(biasGradient)));
        if (rows == 0 || channels == 0) return;
        int blocks = (int)Blocks(rows, arguments.BlockRows);
        arguments.Partials = new MatrixArgument(Scratch((long)blocks * targets.Columns), blocks, targets.Columns, targets.Columns);
        if (arguments.IsVectorizable && channels <= NormGroup * MaximumNormGroups)
        {
            var kernels = biasGradient.IsNone ? s_addNormGradient : s_addNormGradientBias;
            Launch(OfNormGroups(kernels, channels), blocks, NormThreads, arguments);
        }
        else
        {
            Launch(s_addNormGradientAny, Blocks(rows, NormWarps), NormThreads, arguments);
            Launch(s_normParameterSums, Blocks(channels, 32), blocks, 1, NormThreads, arguments);
        }
        AddPartialSums(arguments.Partials, targets);
    }

    private static CudaKernel[] OfEveryNormGroups(string function) =>
        [.. Enumerable.Range(1, MaximumNormGroups).Select(groups => new CudaKernel("norm.cu", function, ("GROUPS", groups)))];

    private static CudaKernel OfNormGroups(CudaKernel[] kernels, int channels) => kernels[(channels - 1) / NormGroup];
}

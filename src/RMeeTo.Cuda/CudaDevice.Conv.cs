using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

// The causal convolution.
public sealed unsafe partial class CudaDevice
{
    private const int MinimumTaps = 2, MaximumTaps = 4, ConvThreads = 256;

    /// <summary>Tokens that a thread walks over at most, in the forward pass and the gradient; fewer where there would be too few threads otherwise.</summary>
    private const int ConvChunk = 32, ConvGradientChunk = 48, SmallestConvChunk = 8;

    /// <summary>Threads that keep a large GPU busy.</summary>
    private const int BusyThreads = 1 << 17;

    /// <summary>Blocks of the gradient along images and chunks, at most about: each leaves a row of partial sums.</summary>
    private const int MaximumConvBlocks = 1024;

    private static readonly CudaKernel[] s_conv = OfEveryTaps("causal_conv"), s_conv4 = OfEveryTaps("causal_conv4");
    private static readonly CudaKernel[] s_convGradient = OfEveryTaps("causal_conv_gradient"), s_convGradient2 = OfEveryTaps("causal_conv_gradient2");

    /// <summary>How tokens are cut into chunks: <c>Walk</c> of conv.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ConvWalk
    {
        public int Length, ChunkLength, Chunks, Reverse;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ConvArguments
    {
        public MatrixArgument X, Y;
        public nint Weight, Bias;
        public ConvWalk Walk;
        public int Silu, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ConvGradientArguments
    {
        public MatrixArgument X, Dy, Dx, Partials;
        public nint Weight, Bias;
        public ConvWalk Walk;
        public int Images, BlockImages, Silu, Accumulate;
    }

    /// <inheritdoc/>
    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        var (rows, channels, taps) = (checked(conv.Batch * conv.Length), x.Columns, CheckTaps(conv));
        var arguments = new ConvArguments
        {
            X = Argument(x, rows, channels, nameof(x)),
            Y = Argument(y, rows, channels, nameof(y)),
            Weight = Contiguous(conv.Weight, channels, taps, nameof(conv.Weight)).Data,
            Bias = ArgumentOrNone(conv.Bias, 1, channels, nameof(conv.Bias)).Data,
            Silu = conv.Silu ? 1 : 0,
        };
        if (rows == 0 || channels == 0) return;
        int width = arguments.X.IsVectorizable && arguments.Y.IsVectorizable ? 4 : 1;
        arguments.Walk = CutTokens(conv, channels / width, ConvChunk);
        var (threads, blocks) = ConvBlocks(channels / width);
        Launch((width == 4 ? s_conv4 : s_conv)[taps - MinimumTaps], (long)conv.Batch * arguments.Walk.Chunks, blocks, 1, threads, arguments);
    }

    /// <inheritdoc/>
    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels, taps) = (checked(conv.Batch * conv.Length), x.Columns, CheckTaps(conv));
        var arguments = new ConvGradientArguments
        {
            X = Argument(x, rows, channels, nameof(x)),
            Dy = Argument(dy, rows, channels, nameof(dy)),
            Dx = Argument(dx, rows, channels, nameof(dx)),
            Weight = Contiguous(conv.Weight, channels, taps, nameof(conv.Weight)).Data,
            Bias = ArgumentOrNone(conv.Bias, 1, channels, nameof(conv.Bias)).Data,
            Images = conv.Batch,
            Silu = conv.Silu ? 1 : 0,
            Accumulate = accumulate ? 1 : 0,
        };
        var targets = new SumTargets(
            Contiguous(weightGradient, channels, taps, nameof(weightGradient)), ArgumentOrNone(biasGradient, 1, channels, nameof(biasGradient)));
        if (rows == 0 || channels == 0) return;
        // The bias's place in a row of partial sums begins after channels * taps values: even, where the channels are.
        int width = arguments.X.IsReadableBy(2) && arguments.Dy.IsReadableBy(2) && arguments.Dx.IsReadableBy(2) ? 2 : 1;
        arguments.Walk = CutTokens(conv, channels / width, ConvGradientChunk);
        arguments.BlockImages = (int)Math.Min(conv.Batch, Blocks((long)conv.Batch * arguments.Walk.Chunks, MaximumConvBlocks));
        int parts = checked((int)Blocks(conv.Batch, arguments.BlockImages) * arguments.Walk.Chunks);
        arguments.Partials = new MatrixArgument(Scratch((long)parts * targets.Columns), parts, targets.Columns, targets.Columns);
        var (threads, blocks) = ConvBlocks(channels / width);
        Launch((width == 2 ? s_convGradient2 : s_convGradient)[taps - MinimumTaps], parts, blocks, 1, threads, arguments);
        AddPartialSums(arguments.Partials, targets);
    }

    /// <summary>Chunks of equal length; the sums over them do not depend on the GPU.</summary>
    private static ConvWalk CutTokens(ConvOperands conv, int threadsOfChunk, int longest)
    {
        long walks = Math.Max(1, (long)conv.Batch * threadsOfChunk);
        int wanted = (int)Math.Min(Blocks(conv.Length, SmallestConvChunk), Math.Max(Blocks(conv.Length, longest), Blocks(BusyThreads, (int)Math.Min(walks, BusyThreads))));
        int length = (int)Blocks(conv.Length, wanted);
        return new ConvWalk { Length = conv.Length, ChunkLength = length, Chunks = (int)Blocks(conv.Length, length), Reverse = conv.Reverse ? 1 : 0 };
    }

    /// <summary>Threads a block, whole warps, and blocks, for one thread each of some.</summary>
    private static (int Threads, int Blocks) ConvBlocks(int count)
    {
        int blocks = (int)Blocks(count, ConvThreads);
        return ((int)Blocks(Blocks(count, blocks), 32) * 32, blocks);
    }

    private static int CheckTaps(ConvOperands conv) => conv.Weight.Columns is >= MinimumTaps and <= MaximumTaps
        ? conv.Weight.Columns
        : throw new ArgumentException($"The convolution's weight is {conv.Weight}; it needs {MinimumTaps} to {MaximumTaps} columns.", nameof(conv));

    private static CudaKernel[] OfEveryTaps(string function) =>
        [.. Enumerable.Range(MinimumTaps, MaximumTaps - MinimumTaps + 1).Select(taps => new CudaKernel("conv.cu", function, ("TAPS", taps)))];

    /// <summary>An operand whose rows follow each other without a gap.</summary>
    private MatrixArgument Contiguous(DeviceMatrix matrix, int rows, int columns, string name)
    {
        var argument = Argument(matrix, rows, columns, name);
        if (rows > 1 && argument.Stride != columns)
            throw new ArgumentException($"{name} has a row stride of {argument.Stride}; this operator needs {columns}, rows without gaps.", name);
        return argument;
    }
}

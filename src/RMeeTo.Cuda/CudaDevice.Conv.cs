using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.ConvKernels;

namespace RMeeTo.Cuda;

// The causal convolution.
public sealed unsafe partial class CudaDevice
{
    /// <summary>Tokens that a thread walks over at most, in the forward pass and the gradient; fewer where there would be too few threads otherwise.</summary>
    private const int ConvChunk = 32, ConvGradientChunk = 48, SmallestConvChunk = 8;

    /// <summary>Threads that keep a large GPU busy.</summary>
    private const int BusyThreads = 1 << 17;

    /// <summary>Blocks of the gradient along images and chunks, about at most: each leaves a row of partial sums.</summary>
    private const int MaximumConvBlocks = 1024;

    /// <inheritdoc/>
    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        var (rows, channels, taps) = (checked(conv.Batch * conv.Length), x.Columns, CheckTaps(conv));
        var arguments = new ForwardArguments
        {
            X = Argument(x, rows, channels, nameof(x)),
            Y = Argument(y, rows, channels, nameof(y)),
            Weight = Contiguous(conv.Weight, channels, taps, nameof(conv.Weight)).Data,
            Bias = ArgumentOrNone(conv.Bias, 1, channels, nameof(conv.Bias)).Data,
            Silu = conv.Silu ? 1 : 0,
        };
        if (rows == 0 || channels == 0) return;
        int width = arguments.Width;
        arguments.Walk = CutTokens(conv, channels / width, ConvChunk);
        var (threads, blocks) = ConvBlocks(channels / width);
        Launch(Forward(taps, width), (long)conv.Batch * arguments.Walk.Chunks, blocks, 1, threads, arguments);
    }

    /// <inheritdoc/>
    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels, taps) = (checked(conv.Batch * conv.Length), x.Columns, CheckTaps(conv));
        var arguments = new GradientArguments
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
        int width = arguments.Width;
        arguments.Walk = CutTokens(conv, channels / width, ConvGradientChunk);
        arguments.BlockImages = (int)Math.Min(conv.Batch, Blocks((long)conv.Batch * arguments.Walk.Chunks, MaximumConvBlocks));
        int parts = checked((int)Blocks(conv.Batch, arguments.BlockImages) * arguments.Walk.Chunks);
        arguments.Partials = new MatrixArgument(Scratch((long)parts * targets.Columns), parts, targets.Columns, targets.Columns);
        var (threads, blocks) = ConvBlocks(channels / width);
        Launch(Gradient(taps, width), parts, blocks, 1, threads, arguments);
        AddPartialSums(arguments.Partials, targets);
    }

    /// <summary>
    /// Cuts the tokens of every image into chunks of equal length: short enough for enough threads, and no shorter. Depends on the shapes alone, as the sums
    /// over the chunks do then.
    /// </summary>
    private static Walk CutTokens(ConvOperands conv, int threadsOfChunk, int longest)
    {
        long enough = Blocks(BusyThreads, (int)Math.Min((long)conv.Batch * threadsOfChunk, BusyThreads));
        long chunks = Math.Min(Math.Max(Blocks(conv.Length, longest), enough), Blocks(conv.Length, SmallestConvChunk));
        int length = (int)Blocks(conv.Length, (int)chunks);
        return new Walk { Length = conv.Length, ChunkLength = length, Chunks = (int)Blocks(conv.Length, length), Reverse = conv.Reverse ? 1 : 0 };
    }

    /// <summary>Threads a block, whole warps, and blocks along y, for so many channels or groups of them.</summary>
    private static (int Threads, int Blocks) ConvBlocks(int count)
    {
        int blocks = (int)Blocks(count, MaximumThreads);
        return ((int)Blocks(Blocks(count, blocks), 32) * 32, blocks);
    }

    private static int CheckTaps(ConvOperands conv) => conv.Weight.Columns is >= MinimumTaps and <= MaximumTaps
        ? conv.Weight.Columns
        : throw new ArgumentException($"The convolution's weight is {conv.Weight}; it needs {MinimumTaps} to {MaximumTaps} columns.", nameof(conv));

    /// <summary>An operand whose rows follow each other without a gap.</summary>
    private MatrixArgument Contiguous(DeviceMatrix matrix, int rows, int columns, string name)
    {
        var argument = Argument(matrix, rows, columns, name);
        if (rows > 1 && argument.Stride != columns)
            throw new ArgumentException($"{name} has a row stride of {argument.Stride}; this operator needs {columns}, rows without gaps.", name);
        return argument;
    }
}

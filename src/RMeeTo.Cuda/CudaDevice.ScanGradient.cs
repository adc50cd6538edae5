using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

// The gradient of the selective scan.
public sealed unsafe partial class CudaDevice
{
    // Of scan_gradient.cu.
    private const int ScanRows = 5, ScanStatesInShared = 2, ScanSlots = 4, ScanSumThreads = 256;

    private static readonly ConcurrentDictionary<int, CudaKernel> s_scanGradient = new(), s_scanTokenSums = new();

    [StructLayout(LayoutKind.Sequential)]
    private struct ScanGradientArguments
    {
        public ScanArguments Scan;
        public MatrixArgument OutputGradient, InputGradient, DeltaGradient, GateGradient, ParameterSums;
        public nint TokenSums;
        public int SkipColumn, BiasColumn, AccumulateGate, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ScanTokenSumArguments
    {
        public MatrixArgument B, C;
        public nint TokenSums;
        public int Blocks, Padding;
    }

    /// <inheritdoc/>
    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        ArgumentNullException.ThrowIfNull(checkpoints);
        var (rows, channels, states) = (checked(scan.Batch * scan.Length), scan.Input.Columns, scan.ALog.Columns);
        var arguments = new ScanGradientArguments
        {
            Scan = ScanArgument(scan, checkpoints),
            OutputGradient = Argument(outputGradient, rows, channels, nameof(outputGradient)),
            InputGradient = Argument(gradients.Input, rows, channels, nameof(gradients.Input)),
            DeltaGradient = Argument(gradients.DeltaRaw, rows, channels, nameof(gradients.DeltaRaw)),
            GateGradient = scan.Gate.IsNone ? default : Argument(gradients.Gate, rows, channels, nameof(gradients.Gate)),
            AccumulateGate = gradients.AccumulateGate ? 1 : 0,
        };
        var ofTokens = new ScanTokenSumArguments
        {
            B = Argument(gradients.B, rows, states, nameof(gradients.B)),
            C = Argument(gradients.C, rows, states, nameof(gradients.C)),
            Blocks = (int)Blocks(channels, ScanThreads),
        };
        var skip = ArgumentOrNone(gradients.Skip, 1, channels, nameof(gradients.Skip));
        var bias = ArgumentOrNone(gradients.DeltaBias, 1, channels, nameof(gradients.DeltaBias));
        var targets = new SumTargets(Contiguous(gradients.ALog, channels, states, nameof(gradients.ALog)), skip, bias);
        if (rows == 0 || channels == 0) return;

        int tileRow = 2 * ScanGroup * StateGroups(states);
        long tokenSums = (long)ofTokens.Blocks * rows * tileRow;
        nint scratch = Scratch(tokenSums + (long)scan.Batch * targets.Columns);
        arguments.TokenSums = ofTokens.TokenSums = scratch;
        arguments.ParameterSums = new MatrixArgument(scratch + (nint)(tokenSums * sizeof(float)), scan.Batch, targets.Columns, targets.Columns);
        arguments.SkipColumn = skip.IsNone ? -1 : channels * states;
        arguments.BiasColumn = bias.IsNone ? -1 : channels * states + (skip.IsNone ? 0 : channels);

        const string File = "scan_gradient.cu";
        Launch(OfStates(s_scanGradient, File, "scan_gradient", scan), ScanBlocks(scan), ScanThreads, arguments, ScanGradientSharedBytes(tileRow));
        Launch(OfStates(s_scanTokenSums, File, "scan_token_sums", scan), Blocks((long)rows * 2 * states, ScanSumThreads), ScanSumThreads, ofTokens);
        AddPartialSums(arguments.ParameterSums, targets);
    }

    /// <summary>Size of <c>GradientMemory</c>.</summary>
    private static int ScanGradientSharedBytes(int tileRow)
    {
        const int Rows = ScanRows * ScanThreads, Past = ScanStatesInShared * ScanThreads * ScanSlots, Sums = ScanThreads / 32 * 2 * ScanGroup;
        return ScanChunk * (Rows + Past + tileRow + Sums) * sizeof(float);
    }
}

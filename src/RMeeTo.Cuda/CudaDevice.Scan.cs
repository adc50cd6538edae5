using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

// The selective scan.
public sealed unsafe partial class CudaDevice
{
    // Of scan.cuh.
    private const int ScanThreads = 128, ScanChunk = 8, ScanGroup = 16;

    /// <summary>Kernels by groups of states; made when a network first needs them.</summary>
    private static readonly ConcurrentDictionary<int, CudaKernel> s_scan = new();

    /// <summary>Operands of the scan: <c>ScanOperands</c> of scan.cuh.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ScanArguments
    {
        public MatrixArgument Input, DeltaRaw, Gate, B, C, ALog;
        public nint DeltaBias, Skip, Checkpoints;
        public int Length, Reverse, Softplus;
        public float OutputScale;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ScanForwardArguments
    {
        public ScanArguments Scan;
        public MatrixArgument Output;
        public int Accumulate, Padding;
    }

    /// <inheritdoc/>
    public override long ScanCheckpointLength(int batch, int length, int channels, int states) =>
        batch * Math.Max(0, Blocks(length, ScanChunk) - 1) * channels * StateGroups(states) * ScanGroup;

    /// <inheritdoc/>
    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        var arguments = new ScanForwardArguments
        {
            Scan = ScanArgument(scan, checkpoints),
            Output = Argument(output, scan.Input.Rows, scan.Input.Columns, nameof(output)),
            Accumulate = accumulate ? 1 : 0,
        };
        if (output.Rows == 0 || output.Columns == 0) return;
        Launch(OfStates(s_scan, "scan.cu", "scan_forward", scan), ScanBlocks(scan), ScanThreads, arguments);
    }

    private ScanArguments ScanArgument(in ScanOperands scan, DeviceBuffer? checkpoints)
    {
        var (rows, channels, states) = (checked(scan.Batch * scan.Length), scan.Input.Columns, scan.ALog.Columns);
        return new ScanArguments
        {
            Input = Argument(scan.Input, rows, channels, nameof(scan.Input)),
            DeltaRaw = Argument(scan.DeltaRaw, rows, channels, nameof(scan.DeltaRaw)),
            Gate = ArgumentOrNone(scan.Gate, rows, channels, nameof(scan.Gate)),
            B = Argument(scan.B, rows, states, nameof(scan.B)),
            C = Argument(scan.C, rows, states, nameof(scan.C)),
            ALog = Argument(scan.ALog, channels, states, nameof(scan.ALog)),
            DeltaBias = ArgumentOrNone(scan.DeltaBias, 1, channels, nameof(scan.DeltaBias)).Data,
            Skip = ArgumentOrNone(scan.Skip, 1, channels, nameof(scan.Skip)).Data,
            Checkpoints = checkpoints is null ? 0 : Range(checkpoints, 0, ScanCheckpointLength(scan.Batch, scan.Length, channels, states), nameof(checkpoints)),
            Length = scan.Length,
            Reverse = scan.Reverse ? 1 : 0,
            Softplus = scan.Softplus ? 1 : 0,
            OutputScale = scan.OutputScale,
        };
    }

    private static long ScanBlocks(in ScanOperands scan) => scan.Batch * Blocks(scan.Input.Columns, ScanThreads);

    private static int StateGroups(int states) => (int)Blocks(states, ScanGroup);

    private static CudaKernel OfStates(ConcurrentDictionary<int, CudaKernel> kernels, string file, string function, in ScanOperands scan) =>
        kernels.GetOrAdd(StateGroups(scan.ALog.Columns), static (groups, text) => new CudaKernel(text.file, text.function, ("STATE_GROUPS", groups)), (file, function));
}

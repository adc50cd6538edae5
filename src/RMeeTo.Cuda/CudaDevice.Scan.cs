using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.ScanKernels;

namespace RMeeTo.Cuda;

// The selective scan.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override long ScanCheckpointLength(int batch, int length, int channels, int states) =>
        batch * Math.Max(0, Blocks(length, Chunk) - 1) * channels * Groups(states) * Group;

    /// <inheritdoc/>
    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        var arguments = new ForwardArguments
        {
            Scan = ScanArgument(scan, checkpoints),
            Output = Argument(output, scan.Input.Rows, scan.Input.Columns, nameof(output)),
            Accumulate = accumulate ? 1 : 0,
        };
        if (output.Rows == 0 || output.Columns == 0) return;
        Launch(Forward(Groups(scan.ALog.Columns)), ScanBlocks(scan), Threads, arguments);
    }

    private Operands ScanArgument(in ScanOperands scan, DeviceBuffer? checkpoints)
    {
        var (rows, channels, states) = (checked(scan.Batch * scan.Length), scan.Input.Columns, scan.ALog.Columns);
        return new Operands
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

    private static long ScanBlocks(in ScanOperands scan) => scan.Batch * Blocks(scan.Input.Columns, Threads);
}

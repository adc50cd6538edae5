using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// The selective scan.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override long ScanCheckpointLength(int batch, int length, int channels, int states) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients) => throw new NotImplementedException();
}

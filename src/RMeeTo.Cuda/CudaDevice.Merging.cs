using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// Deciding merges and carrying them out.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void MergeGradient( int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination) => throw new NotImplementedException();
}

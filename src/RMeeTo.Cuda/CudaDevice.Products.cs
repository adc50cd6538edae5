using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// Matrix products.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Refresh(LinearWeight weight) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient) => throw new NotImplementedException();
}

using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// Normalisation and convolution.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void AddNormGradient( NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient, DeviceMatrix weightGradient, DeviceMatrix biasGradient) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void CausalConvGradient( ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient) => throw new NotImplementedException();
}

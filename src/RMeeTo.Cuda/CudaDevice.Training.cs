using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// Probabilities, loss, and the optimizer.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Loss( LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale, DeviceMatrix losses, DeviceMatrix logitsGradient) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void AdamW( AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count) => throw new NotImplementedException();
}

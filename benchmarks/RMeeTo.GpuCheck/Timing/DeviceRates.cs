using RMeeTo.Cuda;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>What a GPU can do at best, measured in this run by a large copy inside its memory and by products of large square matrices.</summary>
/// <param name="CopyBytes">Bytes read and written a second.</param>
/// <param name="ProductWork">Operations a second of matrix products in the precision that is measured; a multiply-add counts as two.</param>
internal sealed record DeviceRates(double CopyBytes, double ProductWork)
{
    /// <summary>Measures both.</summary>
    /// <param name="context">The GPU, with its products in some precision.</param>
    /// <param name="target">A device on it.</param>
    /// <param name="copyBytes">Length of the copy: well above the cache.</param>
    /// <param name="edge">Edge of the square matrices.</param>
    /// <param name="settings">Samples.</param>
    public static DeviceRates Measure(CudaContext context, TimedTarget target, long copyBytes, int edge, BenchmarkSettings settings)
    {
        using var operands = new KernelOperands(target.Device);
        ICudaRuntime runtime = context.Runtime;
        nint from = ((CudaBuffer)operands.Buffer(copyBytes / sizeof(float))).Pointer, to = ((CudaBuffer)operands.Buffer(copyBytes / sizeof(float))).Pointer;
        double copy = Seconds(target, () => runtime.CopyOnDevice(to, from, copyBytes), settings);
        var (x, y) = (operands.Matrix(edge, edge), operands.Matrix(edge, edge));
        var weight = operands.Own(target.Device.CreateLinear(operands.Matrix(edge, edge), forTraining: false));
        target.Device.Refresh(weight);
        double product = Seconds(target, () => target.Device.Linear(x, weight, default, y), settings);
        return new DeviceRates(2.0 * copyBytes / copy, 2.0 * edge * edge * edge / product);
    }

    private static double Seconds(TimedTarget target, Action queue, BenchmarkSettings settings)
    {
        var timed = new Timed(target, queue);
        timed.WarmUp();
        for (int round = 0; round < settings.Rounds; round++) timed.Sample(settings.SampleSeconds);
        return timed.Median;
    }
}

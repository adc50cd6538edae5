using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Matrix products of libtorch on memory that need not be its own, in the order of a CUDA stream: what serves where libtorch works and its cuBLAS is not found.
/// Products in bfloat16 are rounded to it once more before they are added or written; cuBLAS itself does not do that.
/// </summary>
internal sealed class TorchProducts : IMatrixProducts
{
    private readonly Device _device;
    private readonly DriverRuntime? _runtime;

    /// <param name="device">Where the memory is.</param>
    /// <param name="precision">How products are computed.</param>
    /// <param name="runtime">Whose stream they are queued to; null on the CPU.</param>
    /// <exception cref="NotSupportedException">This libtorch cannot work on memory or a stream of others.</exception>
    public TorchProducts(Device device, MatrixPrecision precision, DriverRuntime? runtime)
    {
        LibTorchNative.RequireForeignMemory(device.type == DeviceType.CUDA);
        (_device, Precision, _runtime) = (device, precision, runtime);
    }

    /// <inheritdoc/>
    public string Name => $"products of {TorchBackend.LibTorch}";

    /// <inheritdoc/>
    public MatrixPrecision Precision { get; }

    /// <inheritdoc/>
    public void Multiply(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate)
    {
        if (a.IsBFloat16 != b.IsBFloat16) throw new ArgumentException("One side of a product is bfloat16 and the other is not.", nameof(b));
        if (m == 0 || n == 0) return;
        if (_runtime is null)
        {
            Queue(a, b, c, cStride, m, n, k, accumulate);
            return;
        }
        using var queue = _runtime.Enter(); // before the stream is taken: no other thread queues anything meanwhile
        // libtorch takes memory for what it computes in between, and gives it to others while the graph still uses it.
        _runtime.RefuseWhileRecording("libtorch multiplies");
        using var stream = LibTorchNative.OnStream(_runtime.Stream, _device.index);
        Queue(a, b, c, cStride, m, n, k, accumulate);
    }

    private void Queue(ProductOperand a, ProductOperand b, nint c, int cStride, int m, int n, int k, bool accumulate)
    {
        using var scope = NewDisposeScope();
        Tensor result = LibTorchNative.Over(c, [m, n], [cStride, 1], ScalarType.Float32, _device);
        if (k == 0)
        {
            if (!accumulate) result.Clear();
            return;
        }
        Tensor left = Operand(a, m, k), right = Operand(b, k, n);
        if (!a.IsBFloat16)
        {
            using var mode = TensorCores.Allow(_device.type, Precision == MatrixPrecision.TensorFloat32);
            result.addmm_(left, right, accumulate ? 1 : 0, 1);
        }
        else if (accumulate) result.Add(left.mm(right));
        else result.copy_(left.mm(right));
    }

    /// <inheritdoc/>
    public void Dispose() { }

    /// <summary>One side [rows, columns], be it that or its transpose that lies there.</summary>
    private Tensor Operand(ProductOperand operand, int rows, int columns)
    {
        long[] strides = operand.Transposed ? [1, operand.Stride] : [operand.Stride, 1];
        return LibTorchNative.Over(operand.Values, [rows, columns], strides, operand.IsBFloat16 ? ScalarType.BFloat16 : ScalarType.Float32, _device);
    }
}

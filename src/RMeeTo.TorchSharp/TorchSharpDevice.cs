using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// The operators as plain TorchSharp tensor operators, forward and backward: it runs wherever TorchSharp runs, on the CPU, on CUDA and on Apple's MPS. The
/// reference of the CUDA kernels on a GPU, and what serves where they cannot be compiled.
/// </summary>
/// <remarks>
/// No autograd, no number operators, no <c>torch.matmul</c>: in them errors, or a garbage collection at the wrong time, end the process. Every operator runs in
/// a dispose scope of its own, so nothing waits for the garbage collector, and writes its results into the buffers that it is given. Everything but the
/// products of <see cref="Linear"/> is single precision, and every sum has one order: results are the same from run to run on one device. Errors of libtorch,
/// such as too little memory, arrive as <see cref="System.Runtime.InteropServices.ExternalException"/>.
/// </remarks>
public sealed partial class TorchSharpDevice : VimDevice
{
    private readonly Device _device;
    private readonly Tensor _zero; // [1]

    internal TorchSharpDevice(Device device, MatrixPrecision precision)
    {
        TorchBackend.Require(device.type);
        (_device, Precision) = (device, precision);
        using var scope = NewDisposeScope();
        _zero = zeros([1], ScalarType.Float32, device).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public override string Name => NameOf(_device, Precision);

    /// <inheritdoc/>
    public override bool PrefersWholeBatches => true;

    /// <summary>How products are computed.</summary>
    public MatrixPrecision Precision { get; }

    /// <inheritdoc/>
    public override DeviceBuffer Allocate(long length) => new TorchBuffer(length, _device);

    /// <inheritdoc/>
    public override DeviceBytes AllocateBytes(long length) => new TorchBytes(length, _device);

    /// <summary>An operand as a tensor [rows, columns] over the same memory, once its shape is what the operator needs and it lies inside its buffer.</summary>
    private Tensor View(DeviceMatrix matrix, int rows, int columns, string name)
    {
        Tensor values = Checked(matrix, rows, columns, name);
        return values.as_strided([rows, columns], [matrix.Stride, 1], matrix.Offset);
    }

    /// <summary>The same for an operand that may be none: null.</summary>
    private Tensor? ViewOrNull(DeviceMatrix matrix, int rows, int columns, string name) => matrix.IsNone ? null : View(matrix, rows, columns, name);

    /// <summary>An operand [B·L, columns] as a tensor [B, L, columns].</summary>
    private Tensor Images(DeviceMatrix matrix, int batch, int length, int columns, string name)
    {
        Tensor values = Checked(matrix, checked(batch * length), columns, name);
        return values.as_strided([batch, length, columns], [(long)length * matrix.Stride, matrix.Stride, 1], matrix.Offset);
    }

    /// <summary>The same for an operand that may be none: null.</summary>
    private Tensor? ImagesOrNull(DeviceMatrix matrix, int batch, int length, int columns, string name) =>
        matrix.IsNone ? null : Images(matrix, batch, length, columns, name);

    /// <summary>A range of a flat buffer.</summary>
    private Tensor Range(DeviceBuffer buffer, long offset, long count, string name)
    {
        if (count < 1 || count > int.MaxValue) throw new ArgumentOutOfRangeException(nameof(count), count, "A range has from 1 to 2^31 values.");
        Tensor values = Checked(new DeviceMatrix(buffer, offset, 1, (int)count, (int)count), 1, (int)count, name);
        return values.narrow(0, offset, count);
    }

    /// <summary>The flat tensor that an operand lies in.</summary>
    private Tensor Checked(DeviceMatrix matrix, int rows, int columns, string name)
    {
        string needed = $"this operator needs [{rows}, {columns}].";
        if (matrix.Buffer is not TorchBuffer buffer)
            throw new ArgumentException(matrix.IsNone ? $"{name} is none; {needed}" : $"{name} lies on another kind of device.", name);
        if (!IsHere(buffer.Device)) throw new ArgumentException($"{name} lies on {buffer.Device}, and this device is {_device}.", name);
        if (matrix.Rows != rows || matrix.Columns != columns) throw new ArgumentException($"{name} is {matrix}; {needed}", name);
        long extent = rows == 0 ? 0 : (rows - 1L) * matrix.Stride + columns; // below 2^63; the sum with an offset need not be
        if (matrix.Offset < 0 || matrix.Stride < columns || extent > buffer.Length || matrix.Offset > buffer.Length - extent)
            throw new ArgumentException($"{name} covers {extent} values from {matrix.Offset} of a buffer of {buffer.Length}.", name);
        return buffer.Values;
    }

    /// <summary>Operators, device, precision of products, versions.</summary>
    internal static string NameOf(Device device, MatrixPrecision precision) => $"{KindOf(device, precision)}{(device.index < 0 ? "" : $", {device}")}";

    /// <summary>The same without the number of the GPU.</summary>
    internal static string KindOf(Device device, MatrixPrecision precision)
    {
        string place = device.type == DeviceType.CUDA ? TorchCuda.NameOf(device.index) : device.type.ToString();
        return $"{place}, TorchSharp's tensor operators, {precision} ({TorchBackend.Versions})";
    }

    private bool IsHere(Device device) => device.type == _device.type && device.index == _device.index;

    /// <summary>Writes a result, or adds it.</summary>
    private static void Put(Tensor destination, Tensor result, bool accumulate)
    {
        if (accumulate) destination.Add(result);
        else destination.copy_(result);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _zero.Dispose();
    }
}

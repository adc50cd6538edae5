using System.Runtime.Intrinsics;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// The operators in managed SIMD code, one thread a device. Buffers and weights are shared by all devices of one vector width. Results are the same bit for
/// bit on every machine of that width whatever the number of devices.
/// </summary>
public abstract class CpuDevice : VimDevice
{
    private protected CpuDevice(SimdWidth width) => Width = width;

    /// <inheritdoc/>
    public override string Name => $"CPU ({Width.FloatCount() * 32}-bit vectors)";

    internal SimdWidth Width { get; }

    /// <summary>A device for the widest vectors of this machine.</summary>
    public static CpuDevice Create() => Create(SimdWidths.Best);

    /// <summary>A device for vectors of one width.</summary>
    /// <exception cref="PlatformNotSupportedException">This machine has no such vectors.</exception>
    internal static CpuDevice Create(SimdWidth width) => !SimdWidths.IsSupported(width)
        ? throw new PlatformNotSupportedException($"This machine has no {width.FloatCount() * 32}-bit vectors; it has {string.Join(", ", SimdWidths.Supported)}.")
        : width switch
        {
            SimdWidth.Vector512 => new CpuDevice<Simd512, Vector512<float>>(width),
            SimdWidth.Vector256 => new CpuDevice<Simd256, Vector256<float>>(width),
            _ => new CpuDevice<Simd128, Vector128<float>>(width),
        };

    /// <inheritdoc/>
    public override DeviceBuffer Allocate(long length) => new CpuBuffer(length);

    /// <inheritdoc/>
    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining) => new CpuLinearWeight(weight, forTraining, Width);

    /// <inheritdoc/>
    public override unsafe void Refresh(LinearWeight weight)
    {
        var linear = (CpuLinearWeight)weight;
        float* values = Pointer(weight.Matrix, weight.Matrix.Rows, weight.Matrix.Columns, nameof(weight));
        linear.Forward.Pack(values, weight.Matrix.Stride);
        linear.Backward?.Pack(values, weight.Matrix.Stride);
    }

    /// <inheritdoc/>
    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) => new CpuMergePlan(batchCapacity, step, options, Width);

    /// <summary>The first value of an operand, once its shape is what the operator needs and lies inside its buffer.</summary>
    internal static unsafe float* Pointer(DeviceMatrix matrix, int rows, int columns, string name)
    {
        if (matrix.Buffer is not CpuBuffer buffer)
            throw new ArgumentException(matrix.IsNone ? $"{name} is none; this operator needs [{rows}, {columns}]." : $"{name} lies on another kind of device.", name);
        if (matrix.Rows != rows || matrix.Columns != columns) throw new ArgumentException($"{name} is {matrix}; this operator needs [{rows}, {columns}].", name);
        long extent = Math.Max(0, rows - 1L) * matrix.Stride + columns; // below 2^63; the sum with an offset need not be
        if (matrix.Offset < 0 || matrix.Stride < columns || extent > buffer.Length || matrix.Offset > buffer.Length - extent)
            throw new ArgumentException($"{name} covers {extent} values from {matrix.Offset} of a buffer of {buffer.Length}.", name);
        if (buffer.Pointer == null) throw new ObjectDisposedException(name);
        return buffer.Pointer + matrix.Offset;
    }

    /// <summary>The same for an operand that may be none: null.</summary>
    internal static unsafe float* PointerOrNull(DeviceMatrix matrix, int rows, int columns, string name) =>
        matrix.IsNone ? null : Pointer(matrix, rows, columns, name);
}

/// <summary>Makes <see cref="CpuDevice"/>s.</summary>
public sealed class CpuDeviceProvider : IVimDeviceProvider
{
    private readonly SimdWidth _width;

    internal CpuDeviceProvider(SimdWidth width) => _width = width;

    /// <summary>Devices for the widest vectors of this machine.</summary>
    public static CpuDeviceProvider Instance { get; } = new(SimdWidths.Best);

    /// <inheritdoc/>
    public string Name => $"CPU ({_width.FloatCount() * 32}-bit vectors)";

    /// <inheritdoc/>
    public int Workers(int threads) => WorkerTeam.Resolve(threads);

    /// <inheritdoc/>
    public VimDevice CreateDevice() => CpuDevice.Create(_width);
}

using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

/// <summary>
/// The operators in CUDA kernels of our own and the matrix products of cuBLAS, in one in-order stream of one GPU. Nothing waits for the GPU but a read.
/// Results are the same bit for bit from run to run on one kind of GPU. Buffers, weights and plans are shared by all devices of one <see cref="CudaContext"/>.
/// </summary>
public sealed unsafe partial class CudaDevice : VimDevice
{
    private readonly CudaContext _context;
    private nint _scratch;
    private long _scratchBytes;

    internal CudaDevice(CudaContext context) => _context = context;

    /// <inheritdoc/>
    public override string Name => $"{_context.Runtime.Name}, {_context.Products.Name}";

    /// <inheritdoc/>
    public override bool PrefersWholeBatches => true;

    private ICudaRuntime Runtime => _context.Runtime;

    /// <inheritdoc/>
    public override DeviceBuffer Allocate(long length) => new CudaBuffer(Runtime, length);

    /// <summary>Queues a kernel; its one argument is copied.</summary>
    private void Launch<T>(CudaKernel kernel, long blocks, int threads, in T argument, int sharedBytes = 0) where T : unmanaged =>
        Launch(kernel, blocks, 1, 1, threads, argument, sharedBytes);

    /// <inheritdoc cref="Launch{T}(CudaKernel, long, int, in T, int)"/>
    private void Launch<T>(CudaKernel kernel, long gridX, int gridY, int gridZ, int threads, in T argument, int sharedBytes = 0) where T : unmanaged
    {
        fixed (T* first = &argument)
            Runtime.Launch(_context.FunctionOf(kernel), checked((int)gridX), gridY, gridZ, threads, sharedBytes, first);
    }

    /// <summary>Memory for what one operator hands from a kernel to the next; the next operator overwrites it. Grows, and is then kept.</summary>
    private nint Scratch(long floats)
    {
        long bytes = floats * sizeof(float);
        if (bytes <= _scratchBytes) return _scratch;
        if (_scratch != 0) Runtime.Free(_scratch);
        (_scratch, _scratchBytes) = (0, 0);
        _scratch = Runtime.Allocate(bytes);
        _scratchBytes = bytes;
        return _scratch;
    }

    /// <summary>An operand, once its shape is what the operator needs and it lies inside its buffer.</summary>
    private MatrixArgument Argument(DeviceMatrix matrix, int rows, int columns, string name)
    {
        if (matrix.Buffer is not CudaBuffer buffer || !buffer.IsOf(Runtime))
            throw new ArgumentException(matrix.IsNone ? $"{name} is none; this operator needs [{rows}, {columns}]." : $"{name} lies on another device.", name);
        if (matrix.Rows != rows || matrix.Columns != columns) throw new ArgumentException($"{name} is {matrix}; this operator needs [{rows}, {columns}].", name);
        long extent = Math.Max(0, rows - 1L) * matrix.Stride + columns;
        if (matrix.Offset < 0 || matrix.Stride < columns || extent > buffer.Length || matrix.Offset > buffer.Length - extent)
            throw new ArgumentException($"{name} covers {extent} values from {matrix.Offset} of a buffer of {buffer.Length}.", name);
        return new MatrixArgument(buffer.Pointer + (nint)(matrix.Offset * sizeof(float)), rows, columns, matrix.Stride);
    }

    /// <summary>The same for an operand that may be none.</summary>
    private MatrixArgument ArgumentOrNone(DeviceMatrix matrix, int rows, int columns, string name) =>
        matrix.IsNone ? default : Argument(matrix, rows, columns, name);

    /// <summary>The first value of a range of a flat buffer.</summary>
    private nint Range(DeviceBuffer buffer, long offset, long count, string name)
    {
        if (buffer is not CudaBuffer own || !own.IsOf(Runtime)) throw new ArgumentException($"{name} lies on another device.", name);
        if (offset < 0 || count < 0 || offset > own.Length - count)
            throw new ArgumentOutOfRangeException(name, $"{count} values from {offset} lie outside a buffer of {own.Length}.");
        return own.Pointer + (nint)(offset * sizeof(float));
    }

    /// <summary>Blocks of a size that cover a count.</summary>
    private static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_scratch == 0) return;
        Runtime.Free(_scratch);
        (_scratch, _scratchBytes) = (0, 0);
    }
}

using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.ImageKernels;

namespace RMeeTo.Cuda;

// How images come in.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override DeviceBytes AllocateBytes(long length) => new CudaBytes(Runtime, length);

    /// <inheritdoc/>
    public override HostBuffer AllocateHost(long bytes) => new CudaHostBuffer(Runtime, bytes);

    /// <inheritdoc/>
    public override void Upload(HostBuffer source, long first, DeviceBuffer destination, long count)
    {
        source.CheckRange(first, count, sizeof(float));
        Upload(source, first * sizeof(float), Range(destination, 0, count, nameof(destination)), count * sizeof(float));
        GC.KeepAlive(destination);
    }

    /// <inheritdoc/>
    public override void Upload(HostBuffer source, long first, DeviceBytes destination, long count)
    {
        source.CheckRange(first, count);
        Upload(source, first, Bytes(destination, count, nameof(destination)), count);
        GC.KeepAlive(destination);
    }

    /// <inheritdoc/>
    public override void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images)
    {
        int plane = PixelsPerFrame(frames, pixels, images);
        var argument = new PixelArguments
        {
            Pixels = Bytes(pixels, (long)images.Rows * images.Columns, nameof(pixels)),
            Table = Argument(table, 3, 256, nameof(table)),
            Images = Argument(images, images.Rows, images.Columns, nameof(images)),
            Frames = frames,
            Plane = plane,
        };
        if (images.Rows == 0 || plane == 0) return;
        bool vectorizable = argument.Images.IsVectorizable && plane % 4 == 0;
        argument.FrameBlocks = (int)Blocks(plane, VectorKernel.Threads * (vectorizable ? 4 : 1));
        Launch(Normalize.For(vectorizable), (long)images.Rows * frames * argument.FrameBlocks, VectorKernel.Threads, argument);
    }

    private void Upload(HostBuffer source, long offset, nint destination, long bytes)
    {
        if (bytes == 0) return;
        void* first = (byte*)source.Pointer + offset;
        if (source is CudaHostBuffer own && own.IsOf(Runtime)) Runtime.CopyToDeviceLater(destination, first, bytes);
        else Runtime.CopyToDevice(destination, first, bytes);
        GC.KeepAlive(source);
    }

    private nint Bytes(DeviceBytes bytes, long count, string name)
    {
        if (bytes is not CudaBytes own || !own.IsOf(Runtime)) throw new ArgumentException($"{name} lies on another device.", name);
        if (count > own.Length) throw new ArgumentOutOfRangeException(name, $"{count} bytes do not fit into {own.Length}.");
        return own.Pointer;
    }
}

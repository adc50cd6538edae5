using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Devices on a GPU through TorchSharp. The application adds the package TorchSharp-cuda-windows or TorchSharp-cuda-linux, or on a Mac TorchSharp-cpu.
/// </summary>
public sealed class TorchSharpDeviceProvider : IVimDeviceProvider
{
    private readonly Device _device;

    /// <summary>Devices on an NVIDIA GPU, products in single precision.</summary>
    /// <param name="gpu">Number of the GPU, from 0.</param>
    /// <exception cref="PlatformNotSupportedException">TorchSharp has no CUDA for this system.</exception>
    /// <exception cref="InvalidOperationException">Driver or package is missing, or there is no GPU; the message says which.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no GPU of this number.</exception>
    public TorchSharpDeviceProvider(int gpu) : this(gpu, MatrixPrecision.Float32) { }

    /// <summary>Devices on an NVIDIA GPU.</summary>
    /// <param name="gpu">Number of the GPU, from 0.</param>
    /// <param name="precision">How products are computed.</param>
    /// <exception cref="PlatformNotSupportedException">TorchSharp has no CUDA for this system.</exception>
    /// <exception cref="InvalidOperationException">Driver or package is missing, or there is no GPU; the message says which.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no GPU of this number.</exception>
    public TorchSharpDeviceProvider(int gpu, MatrixPrecision precision)
    {
        TorchBackend.RequireGpu(gpu);
        (_device, Precision) = (new Device(DeviceType.CUDA, gpu), precision);
    }

    private TorchSharpDeviceProvider(DeviceType type, MatrixPrecision precision)
    {
        TorchBackend.Require(type);
        (_device, Precision) = (new Device(type), precision);
    }

    /// <inheritdoc/>
    public string Name => TorchSharpDevice.NameOf(_device, Precision);

    /// <inheritdoc/>
    public string Kind => TorchSharpDevice.NameOf(new Device(_device.type), Precision);

    /// <summary>How products are computed.</summary>
    public MatrixPrecision Precision { get; }

    /// <summary>Tensor operators on the CPU: for tests, and to compare with. <c>CpuDevice</c> of RMeeTo.Vim is faster.</summary>
    /// <exception cref="PlatformNotSupportedException">TorchSharp does not exist for this system.</exception>
    /// <exception cref="InvalidOperationException">The package TorchSharp-cpu is missing.</exception>
    public static TorchSharpDeviceProvider Cpu(MatrixPrecision precision = MatrixPrecision.Float32) => new(DeviceType.CPU, precision);

    /// <summary>Tensor operators on the GPU of a Mac with an Apple processor.</summary>
    /// <exception cref="PlatformNotSupportedException">This is no such Mac.</exception>
    /// <exception cref="InvalidOperationException">The package TorchSharp-cpu is missing.</exception>
    public static TorchSharpDeviceProvider Mps(MatrixPrecision precision = MatrixPrecision.Float32) => new(DeviceType.MPS, precision);

    /// <summary>1: the operators of one device keep a GPU, or all cores, busy.</summary>
    public int Workers(int threads) => 1;

    /// <summary>True: an operator costs the same for few images as for many.</summary>
    public bool TakesWholeBatches => true;

    /// <inheritdoc/>
    public bool TakesImageBytes => _device.type != DeviceType.CPU;

    /// <summary>Null on the CPU; elsewhere libtorch does not tell.</summary>
    public long? FreeMemory => _device.type == DeviceType.CPU ? null : long.MaxValue;

    /// <inheritdoc/>
    public VimDevice CreateDevice() => new TorchSharpDevice(_device, Precision);
}

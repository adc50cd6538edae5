using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Devices on a GPU. On an NVIDIA GPU they run our own CUDA kernels, compiled for it at first use, on memory that they share with the TorchSharp code of the
/// application; where the kernels cannot run, and on the GPU of a Mac, TorchSharp's tensor operators. The application adds the package TorchSharp-cuda-windows
/// or TorchSharp-cuda-linux, or on a Mac TorchSharp-cpu.
/// </summary>
public sealed class TorchSharpDeviceProvider : IVimDeviceProvider, IDisposable
{
    private readonly Device _device;
    private readonly CudaContext? _kernels;
    private readonly bool _sharesMemory;

    /// <summary>Devices on an NVIDIA GPU, or on that of a Mac with an Apple processor; products in single precision.</summary>
    /// <param name="gpu">Number of the GPU, from 0; a Mac has no other.</param>
    /// <exception cref="CudaUnavailableException">Driver, GPU, or a library is missing; the message says which and what to add.</exception>
    /// <exception cref="PlatformNotSupportedException">This is a Mac with another processor.</exception>
    /// <exception cref="InvalidOperationException">This is a Mac, and the package TorchSharp-cpu is missing, or libtorch cannot use its GPU.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or on a Mac not 0.</exception>
    public TorchSharpDeviceProvider(int gpu) : this(gpu, MatrixPrecision.Float32) { }

    /// <summary>Devices on an NVIDIA GPU, or on that of a Mac with an Apple processor.</summary>
    /// <param name="gpu">Number of the GPU, from 0; a Mac has no other.</param>
    /// <param name="precision">How products are computed.</param>
    /// <exception cref="CudaUnavailableException">Driver, GPU, or a library is missing; the message says which and what to add.</exception>
    /// <exception cref="PlatformNotSupportedException">This is a Mac with another processor.</exception>
    /// <exception cref="InvalidOperationException">This is a Mac, and the package TorchSharp-cpu is missing, or libtorch cannot use its GPU.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or on a Mac not 0; or the precision is none.</exception>
    /// <exception cref="NotSupportedException">The GPU has no bfloat16.</exception>
    public TorchSharpDeviceProvider(int gpu, MatrixPrecision precision) : this(gpu, precision, HostSystem.Current) { }

    /// <param name="gpu">Number of the GPU.</param>
    /// <param name="precision">How products are computed.</param>
    /// <param name="system">Where this runs; another one in tests.</param>
    internal TorchSharpDeviceProvider(int gpu, MatrixPrecision precision, HostSystem system)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gpu);
        Precision = Defined(precision);
        if (system.System == HostSystem.Mac)
        {
            TorchBackend.CheckSystem(DeviceType.MPS, system);
            if (gpu != 0) throw new ArgumentOutOfRangeException(nameof(gpu), gpu, $"There is no GPU {gpu}: a Mac has one GPU, number 0.");
            TorchBackend.Require(DeviceType.MPS);
            _device = new Device(DeviceType.MPS);
            return;
        }
        _device = new Device(DeviceType.CUDA, gpu);
        Exception? noTorch = TorchBackend.FailureOf(() => TorchBackend.RequireGpu(gpu));
        try
        {
            _kernels = TorchCuda.Open(gpu, precision, withTorch: noTorch is null);
            _sharesMemory = noTorch is null;
        }
        catch (CudaUnavailableException failure) when (failure.IsMissingLibrary && TorchBackend.IsForCpu)
        {
            throw new CudaUnavailableException(noTorch!.Message, failure); // one package is in the place of another, which brings what we miss
        }
        catch (Exception failure) when (noTorch is null && TorchCuda.IsMissing(failure))
        {
            FallbackReason = failure.Message;
        }
    }

    private TorchSharpDeviceProvider(Device device, MatrixPrecision precision)
    {
        TorchBackend.Require(device.type);
        if (device.type == DeviceType.CUDA) TorchBackend.RequireGpu(device.index);
        (_device, Precision) = (device, Defined(precision));
    }

    /// <summary>
    /// What runs where, such as "NVIDIA H200 (sm_90), own CUDA kernels, cuBLAS 12.8, Float32, memory of TorchSharp 0.107.0, libtorch 2.10.0".
    /// </summary>
    public string Name => _kernels is null
        ? TorchSharpDevice.NameOf(_device, Precision) + (FallbackReason is null ? "" : $", for our CUDA kernels cannot run: {FallbackReason.TrimEnd('.')}")
        : $"{Kind}, {(_sharesMemory ? $"memory of {TorchBackend.Versions}" : "without TorchSharp")}";

    /// <inheritdoc/>
    public string Kind => _kernels is null
        ? TorchSharpDevice.KindOf(_device, Precision)
        : $"{_kernels.Runtime.Name}, own CUDA kernels, {_kernels.Products.Name}, {Precision}";

    /// <summary>How products are computed.</summary>
    public MatrixPrecision Precision { get; }

    /// <summary>Why an NVIDIA GPU runs TorchSharp's tensor operators and not our kernels, which are several times as fast; null where it does not.</summary>
    public string? FallbackReason { get; }

    /// <summary>True: an operator costs about the same for few images as for many.</summary>
    public bool TakesWholeBatches => true;

    /// <inheritdoc/>
    public bool TakesImageBytes => _device.type != DeviceType.CPU;

    /// <inheritdoc/>
    public long? FreeMemory => _kernels is not null ? _kernels.Runtime.Memory.Free : _device.type == DeviceType.CPU ? null : long.MaxValue;

    /// <summary>TorchSharp's tensor operators on an NVIDIA GPU although our kernels may run there: to compare with.</summary>
    /// <param name="gpu">Number of the GPU, from 0.</param>
    /// <param name="precision">How products are computed.</param>
    /// <exception cref="PlatformNotSupportedException">TorchSharp has no CUDA for this system.</exception>
    /// <exception cref="InvalidOperationException">Driver or package is missing, or there is no GPU; the message says which.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no GPU of this number, or the precision is none.</exception>
    public static TorchSharpDeviceProvider TensorOperators(int gpu, MatrixPrecision precision = MatrixPrecision.Float32)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gpu);
        return new(new Device(DeviceType.CUDA, gpu), precision);
    }

    /// <summary>
    /// Tensor operators on the CPU, on as many threads as libtorch takes: for tests, and to compare with. <c>CpuDevice</c> of RMeeTo.Vim is faster.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">TorchSharp does not exist for this system.</exception>
    /// <exception cref="InvalidOperationException">The package TorchSharp-cpu is missing.</exception>
    public static TorchSharpDeviceProvider Cpu(MatrixPrecision precision = MatrixPrecision.Float32) => new(new Device(DeviceType.CPU), precision);

    /// <summary>Tensor operators on the GPU of a Mac with an Apple processor.</summary>
    /// <exception cref="PlatformNotSupportedException">This is no such Mac.</exception>
    /// <exception cref="InvalidOperationException">The package TorchSharp-cpu is missing.</exception>
    public static TorchSharpDeviceProvider Mps(MatrixPrecision precision = MatrixPrecision.Float32) => new(new Device(DeviceType.MPS), precision);

    /// <summary>1: the operators of one device keep a GPU, or all cores, busy.</summary>
    /// <param name="threads">Without meaning.</param>
    public int Workers(int threads) => 1;

    /// <inheritdoc/>
    public VimDevice CreateDevice() => _kernels is null ? new TorchSharpDevice(_device, Precision) : new CudaDevice(_kernels);

    /// <summary>Gives the GPU back. No device, buffer or weight of it may be used afterwards.</summary>
    public void Dispose() => _kernels?.Dispose();

    private static MatrixPrecision Defined(MatrixPrecision precision) => Enum.IsDefined(precision)
        ? precision
        : throw new ArgumentOutOfRangeException(nameof(precision), precision, "Float32, TensorFloat32 or BFloat16.");
}

using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>
/// Devices on one NVIDIA GPU, of compute capability 7.0 or later, with a driver for CUDA 12 or later. NVRTC and cuBLAS are taken from the application (packages
/// TorchSharp-cuda-windows and TorchSharp-cuda-linux bring them), a CUDA Toolkit, the system, or the folder that the environment variable RMEETO_CUDA_LIBRARIES
/// names. Kernels are compiled at first use and kept on disk.
/// </summary>
public sealed class CudaDeviceProvider : IVimDeviceProvider, IDisposable
{
    private readonly CudaContext _context;

    /// <summary>Opens a GPU.</summary>
    /// <param name="gpu">Its number, from 0, as nvidia-smi and CUDA_VISIBLE_DEVICES count.</param>
    /// <param name="precision">How matrix products are computed.</param>
    /// <exception cref="CudaUnavailableException">Driver, GPU, or a library is missing; the message says which and what to add.</exception>
    /// <exception cref="NotSupportedException">The GPU has no bfloat16.</exception>
    public CudaDeviceProvider(int gpu, MatrixPrecision precision = MatrixPrecision.Float32) : this(Open(gpu, precision)) { }

    internal CudaDeviceProvider(CudaContext context) => _context = context;

    /// <summary>Number of NVIDIA GPUs; 0 where there is no driver.</summary>
    public static int Count
    {
        get
        {
            try
            {
                return CudaDriver.Instance.Count;
            }
            catch (CudaUnavailableException)
            {
                return 0;
            }
        }
    }

    /// <inheritdoc/>
    public string Name => $"{_context.Runtime.Name}, {_context.Products.Name}, {_context.Products.Precision}";

    /// <summary>Hardware, library and precision: what the bits of results depend on.</summary>
    public string Kind => Name;

    /// <inheritdoc/>
    public bool TakesWholeBatches => true;

    /// <inheritdoc/>
    public bool TakesImageBytes => true;

    /// <inheritdoc/>
    public long? FreeMemory => _context.Runtime.Memory.Free;

    /// <summary>1: a GPU is one queue, and one device keeps it busy.</summary>
    /// <param name="threads">Without meaning.</param>
    public int Workers(int threads) => 1;

    /// <inheritdoc/>
    public VimDevice CreateDevice() => new CudaDevice(_context);

    /// <summary>Gives the GPU back. No device, buffer or weight of it may be used afterwards.</summary>
    public void Dispose() => _context.Dispose();

    /// <summary>A GPU with its kernels and products.</summary>
    internal static CudaContext Open(int gpu, MatrixPrecision precision)
    {
        if (!Enum.IsDefined(precision)) throw new ArgumentOutOfRangeException(nameof(precision), precision, "Float32, TensorFloat32 or BFloat16.");
        LibrarySearch search = LibrarySearch.OfThisMachine;
        var runtime = new DriverRuntime(CudaDriver.Instance, gpu, () => new Nvrtc(search));
        try
        {
            if (precision == MatrixPrecision.BFloat16 && runtime.ComputeCapability < 80)
                throw new NotSupportedException($"{runtime.Name} has no bfloat16, which came with sm_80; use {MatrixPrecision.Float32}.");
            return new CudaContext(runtime, new RowMajorProducts(new Cublas(search, runtime), precision, runtime.Clear));
        }
        catch
        {
            runtime.Dispose();
            throw;
        }
    }
}

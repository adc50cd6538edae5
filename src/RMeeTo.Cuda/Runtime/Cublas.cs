using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>
/// Matrix products of cuBLAS, on the stream of a runtime. One stream and a workspace of our own make results the same from run to run, and let products be
/// recorded in a graph.
/// </summary>
internal sealed unsafe class Cublas : IColumnMajorProduct
{
    // cudaDataType_t, cublasComputeType_t, cublasGemmAlgo_t
    private const int Float32 = 0, BFloat16 = 14, Compute32 = 68, ComputeFastTf32 = 77, DefaultAlgorithm = -1;

    // What NVIDIA recommends for Hopper; other GPUs take less (cuBLAS, cublasSetWorkspace).
    private const long WorkspaceBytes = 32L << 20;

    private readonly DriverRuntime _runtime;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*, nint, int, int, int, int, int> _gemm;
    private readonly delegate* unmanaged<int, byte*> _statusName;
    private readonly delegate* unmanaged<nint, nint, int> _setStream;
    private readonly delegate* unmanaged<nint, nint, nuint, int> _setWorkspace;
    private readonly nint _workspace;
    private nint _handle, _stream;

    /// <summary>Loads and opens it.</summary>
    /// <exception cref="CudaUnavailableException">It is not there.</exception>
    public Cublas(LibrarySearch search, DriverRuntime runtime) : this(search.Load(CudaLibrary.Cublas), runtime) { }

    /// <summary>Opens it.</summary>
    /// <param name="f">The library.</param>
    /// <param name="runtime">Whose stream it queues to.</param>
    public Cublas(NativeFunctions f, DriverRuntime runtime)
    {
        _runtime = runtime;
        _destroy = (delegate* unmanaged<nint, int>)f["cublasDestroy_v2"];
        _statusName = (delegate* unmanaged<int, byte*>)f["cublasGetStatusName"];
        _gemm = (delegate* unmanaged<nint, int, int, int, int, int, float*, nint, int, int, nint, int, int, float*, nint, int, int, int, int, int>)
            f["cublasGemmEx"];
        _setStream = (delegate* unmanaged<nint, nint, int>)f["cublasSetStream_v2"];
        _setWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)f["cublasSetWorkspace_v2"];
        using var queue = runtime.Enter();
        nint handle;
        int version;
        Check(((delegate* unmanaged<nint*, int>)f["cublasCreate_v2"])(&handle), "cublasCreate");
        _handle = handle;
        Check(((delegate* unmanaged<nint, int*, int>)f["cublasGetVersion_v2"])(handle, &version), "cublasGetVersion");
        _workspace = runtime.Allocate(WorkspaceBytes);
        Follow(runtime.Stream);
        Name = $"cuBLAS {version / 10000}.{version % 10000 / 100}";
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public void Multiply(bool transposeA, bool transposeB, int m, int n, int k, nint a, int aStride, nint b, int bStride, float beta, nint c, int cStride,
        bool bfloat16, bool tensorFloat32)
    {
        float alpha = 1;
        int type = bfloat16 ? BFloat16 : Float32;
        using var queue = _runtime.Enter();
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        if (_stream != _runtime.Stream) Follow(_runtime.Stream); // a recording begins or has ended
        Check(_gemm(_handle, transposeA ? 1 : 0, transposeB ? 1 : 0, m, n, k, &alpha, a, type, aStride, b, type, bStride, &beta, c, Float32, cStride,
            tensorFloat32 && !bfloat16 ? ComputeFastTf32 : Compute32, DefaultAlgorithm), "cublasGemmEx");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0) return;
        try
        {
            using var queue = _runtime.Enter();
            _destroy(_handle);
        }
        catch (CudaException)
        {
            // The GPU does nothing any more, after a fault of a kernel.
        }
        _handle = 0;
        _runtime.Free(_workspace);
    }

    /// <summary>Queues to a stream. That takes the workspace away again, so it is set after it.</summary>
    private void Follow(nint stream)
    {
        Check(_setStream(_handle, stream), "cublasSetStream");
        Check(_setWorkspace(_handle, _workspace, (nuint)WorkspaceBytes), "cublasSetWorkspace");
        _stream = stream;
    }

    private void Check(int status, string function)
    {
        if (status != 0) throw new CudaException(function, Marshal.PtrToStringUTF8((nint)_statusName(status)) ?? $"status {status}");
    }
}

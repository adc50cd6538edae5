using System.Collections.Concurrent;

namespace RMeeTo.Cuda;

/// <summary>One GPU as all devices on it share it: its runtime, its matrix products, and its compiled kernels.</summary>
internal sealed class CudaContext(ICudaRuntime runtime, IMatrixProducts products) : IDisposable
{
    private readonly ConcurrentDictionary<CudaKernel, nint> _functions = new(ReferenceEqualityComparer.Instance);

    /// <summary>Memory, copies and launches.</summary>
    public ICudaRuntime Runtime { get; } = runtime;

    /// <summary>Matrix products.</summary>
    public IMatrixProducts Products { get; } = products;

    /// <summary>The compiled form of a kernel.</summary>
    public nint FunctionOf(CudaKernel kernel) => _functions.TryGetValue(kernel, out nint function) ? function : _functions[kernel] = Runtime.GetFunction(kernel);

    /// <summary>Gives the GPU back. No device, buffer or plan may be used afterwards.</summary>
    public void Dispose()
    {
        Products.Dispose();
        Runtime.Dispose();
    }
}

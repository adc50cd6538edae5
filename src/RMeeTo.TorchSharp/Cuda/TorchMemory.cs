using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Memory of libtorch's allocator as bare addresses, so that our kernels and the TorchSharp code of the application share one pool, and what one gives back the
/// other can have.
/// </summary>
internal sealed class TorchMemory(Device device) : IDisposable
{
    private readonly ConcurrentDictionary<nint, Tensor> _tensors = [];
    private volatile bool _disposed;

    /// <summary>Bytes that are handed out now.</summary>
    public long Used => _tensors.Values.Sum(tensor => tensor.NumberOfElements);

    /// <summary>Memory of any content.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough.</exception>
    public nint Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        ObjectDisposedException.ThrowIf(_disposed, this);
        using var scope = NewDisposeScope();
        Tensor tensor;
        try
        {
            tensor = empty(bytes, ScalarType.Byte, device); // which collects garbage and tries again
        }
        catch (System.Runtime.InteropServices.ExternalException failure)
        {
            throw new OutOfMemoryException($"libtorch has no {bytes >> 20} MiB more on {device}. Use a smaller batch, or free what the application holds in " +
                $"TorchSharp tensors. libtorch said: {failure.Message.Split('\n')[0]}", failure);
        }
        nint address = LibTorchNative.DataOf(tensor);
        _tensors[address] = tensor.DetachFromDisposeScope();
        return address;
    }

    /// <summary>Gives memory back. libtorch may hand it out at once: whoever then writes to it does so on a stream that waits for ours.</summary>
    /// <exception cref="ArgumentException">It is not from here.</exception>
    public void Free(nint address)
    {
        if (_tensors.TryRemove(address, out var tensor)) tensor.Dispose();
        else if (!_disposed) throw new ArgumentException($"Memory at {address:x} is freed that is not allocated.", nameof(address));
    }

    /// <summary>Gives all memory back. What finalizers free later is gone already.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (nint address in _tensors.Keys)
            if (_tensors.TryRemove(address, out var tensor)) tensor.Dispose();
    }
}

using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>The few functions of LibTorchSharp and of libtorch's C interface that TorchSharp does not show.</summary>
internal static unsafe partial class LibTorchNative
{
    private static readonly Lazy<nint> s_cpu = new(() => Load("torch_cpu")), s_cuda = new(() => Load("torch_cuda"));

    /// <summary>The version of the libtorch that is loaded; null where it is too old to say.</summary>
    public static Version? Version
    {
        get
        {
            if (s_cpu.Value == 0 || !NativeLibrary.TryGetExport(s_cpu.Value, "aoti_torch_abi_version", out nint function)) return null;
            ulong version = ((delegate* unmanaged[Cdecl]<ulong>)function)(); // a byte each for major, minor and patch, from the highest
            return version >> 56 == 0 ? null : new Version((int)(version >> 56), (int)(version >> 48 & 255), (int)(version >> 40 & 255));
        }
    }

    /// <summary>The first value of a tensor, on whatever device. The caller keeps the tensor alive.</summary>
    public static nint DataOf(Tensor tensor)
    {
        nint data = THSTensor_data(tensor.Handle);
        CheckForErrors();
        GC.KeepAlive(tensor);
        return data;
    }

    /// <summary>A tensor over memory that somebody else owns.</summary>
    /// <exception cref="NotSupportedException">This libtorch has no such function.</exception>
    public static Tensor Over(nint data, ReadOnlySpan<long> sizes, ReadOnlySpan<long> strides, ScalarType type, Device device)
    {
        const string name = "aoti_torch_create_tensor_from_blob";
        var create = (delegate* unmanaged[Cdecl]<nint, long, long*, long*, long, int, int, int, nint*, int>)Export(s_cpu.Value, name);
        nint handle;
        fixed (long* size = sizes, stride = strides)
        {
            int result = create(data, sizes.Length, size, stride, 0, (int)type, (int)device.type, Math.Max(0, device.index), &handle);
            if (result != 0) throw new ExternalException($"libtorch made no tensor over memory of ours ({name}).");
        }
        return Tensor.UnsafeCreateTensor(handle);
    }

    /// <summary>What this thread gives to libtorch goes to a CUDA stream until the result is disposed of.</summary>
    /// <exception cref="NotSupportedException">This libtorch has no such function.</exception>
    public static StreamGuard OnStream(nint stream, int gpu)
    {
        var create = (delegate* unmanaged[Cdecl]<nint, int, nint*, int>)Export(s_cuda.Value, "aoti_torch_create_cuda_stream_guard");
        nint guard;
        if (create(stream, gpu, &guard) != 0) throw new ExternalException("libtorch did not take our stream (aoti_torch_create_cuda_stream_guard).");
        return new(guard);
    }

    /// <summary>Throws where <see cref="Over"/> or <see cref="OnStream"/> cannot be used.</summary>
    /// <exception cref="NotSupportedException">It cannot.</exception>
    public static void RequireForeignMemory(bool onCuda)
    {
        Export(s_cpu.Value, "aoti_torch_create_tensor_from_blob");
        if (!onCuda) return;
        Export(s_cuda.Value, "aoti_torch_create_cuda_stream_guard");
        Export(s_cuda.Value, "aoti_torch_delete_cuda_stream_guard");
    }

    private static nint Export(nint library, string name) => library != 0 && NativeLibrary.TryGetExport(library, name, out nint function)
        ? function
        : throw new NotSupportedException($"This libtorch has no function {name}; {__version__} has.");

    private static nint Load(string name) => NativeLibrary.TryLoad(name, typeof(torch).Assembly, null, out nint handle) ? handle : 0;

    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_data(nint tensor);

    /// <summary>Turns back to the stream before.</summary>
    public readonly ref struct StreamGuard(nint guard)
    {
        /// <summary>Ends it.</summary>
        public void Dispose()
        {
            ((delegate* unmanaged[Cdecl]<nint, int>)Export(s_cuda.Value, "aoti_torch_delete_cuda_stream_guard"))(guard);
        }
    }
}

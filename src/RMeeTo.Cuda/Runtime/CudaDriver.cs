using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>The functions of the CUDA driver that the runtime calls, as they are in cuda.h of CUDA 12. Every one returns 0 or an error.</summary>
internal sealed unsafe class CudaDriver
{
    public const int Success = 0, OutOfMemory = 2, NoDevice = 100;

    // CUdevice_attribute, CUfunction_attribute, CUstreamCaptureMode
    public const int MultiprocessorCount = 16, CapabilityMajor = 75, CapabilityMinor = 76, MaximumSharedPerBlockOptIn = 97;
    public const int FunctionSharedSize = 1, FunctionMaximumDynamicShared = 8;
    public const int CaptureThreadLocal = 1;
    public const uint StreamNonBlocking = 1; // CU_STREAM_NON_BLOCKING

    private static readonly string s_library = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "nvcuda.dll" : "libcuda.so.1";
    private static readonly Lazy<CudaDriver> s_instance = new(Start, LazyThreadSafetyMode.PublicationOnly);

    public readonly delegate* unmanaged<int*, int> DriverGetVersion, DeviceGetCount;
    public readonly delegate* unmanaged<int*, int, int> DeviceGet;
    public readonly delegate* unmanaged<byte*, int, int, int> DeviceGetName;
    public readonly delegate* unmanaged<int*, int, int, int> DeviceGetAttribute;
    public readonly delegate* unmanaged<nint*, int, int> PrimaryContextRetain;
    public readonly delegate* unmanaged<int, int> PrimaryContextRelease;
    public readonly delegate* unmanaged<nint*, int> ContextGetCurrent, ContextPopCurrent;
    public readonly delegate* unmanaged<nint, int> ContextPushCurrent;
    public readonly delegate* unmanaged<nuint*, nuint*, int> MemoryGetInfo;
    public readonly delegate* unmanaged<nint*, nuint, int> MemoryAllocate;
    public readonly delegate* unmanaged<nint, int> MemoryFree, HostMemoryFree;
    public readonly delegate* unmanaged<nint*, nuint, uint, int> HostMemoryAllocate;
    public readonly delegate* unmanaged<nint, nint, nuint, nint, int> CopyHostToDevice, CopyDeviceToHost, CopyDeviceToDevice;
    public readonly delegate* unmanaged<nint, byte, nuint, nint, int> Fill;
    public readonly delegate* unmanaged<nint*, uint, int> StreamCreate, EventCreate;
    public readonly delegate* unmanaged<nint, int> StreamDestroy, StreamSynchronize, EventDestroy, EventSynchronize;
    public readonly delegate* unmanaged<nint, nint, int> EventRecord, GraphLaunch;
    public readonly delegate* unmanaged<nint*, void*, int> ModuleLoadData;
    public readonly delegate* unmanaged<nint, int> ModuleUnload;
    public readonly delegate* unmanaged<nint*, nint, byte*, int> ModuleGetFunction;
    public readonly delegate* unmanaged<int*, int, nint, int> FunctionGetAttribute;
    public readonly delegate* unmanaged<nint, int, int, int> FunctionSetAttribute;
    public readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> LaunchKernel;
    public readonly delegate* unmanaged<nint, int, int> StreamBeginCapture;
    public readonly delegate* unmanaged<nint, nint*, int> StreamEndCapture;
    public readonly delegate* unmanaged<nint*, nint, ulong, int> GraphInstantiate;
    public readonly delegate* unmanaged<nint, int> GraphDestroy, GraphExecutableDestroy;
    private readonly delegate* unmanaged<uint, int> _initialize;
    private readonly delegate* unmanaged<int, byte**, int> _errorName, _errorText;

    private CudaDriver(NativeFunctions f)
    {
        _initialize = (delegate* unmanaged<uint, int>)f["cuInit"];
        _errorName = (delegate* unmanaged<int, byte**, int>)f["cuGetErrorName"];
        _errorText = (delegate* unmanaged<int, byte**, int>)f["cuGetErrorString"];
        DriverGetVersion = (delegate* unmanaged<int*, int>)f["cuDriverGetVersion"];
        DeviceGetCount = (delegate* unmanaged<int*, int>)f["cuDeviceGetCount"];
        DeviceGet = (delegate* unmanaged<int*, int, int>)f["cuDeviceGet"];
        DeviceGetName = (delegate* unmanaged<byte*, int, int, int>)f["cuDeviceGetName"];
        DeviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)f["cuDeviceGetAttribute"];
        PrimaryContextRetain = (delegate* unmanaged<nint*, int, int>)f["cuDevicePrimaryCtxRetain"];
        PrimaryContextRelease = (delegate* unmanaged<int, int>)f["cuDevicePrimaryCtxRelease_v2"];
        ContextGetCurrent = (delegate* unmanaged<nint*, int>)f["cuCtxGetCurrent"];
        ContextPushCurrent = (delegate* unmanaged<nint, int>)f["cuCtxPushCurrent_v2"];
        ContextPopCurrent = (delegate* unmanaged<nint*, int>)f["cuCtxPopCurrent_v2"];
        MemoryGetInfo = (delegate* unmanaged<nuint*, nuint*, int>)f["cuMemGetInfo_v2"];
        MemoryAllocate = (delegate* unmanaged<nint*, nuint, int>)f["cuMemAlloc_v2"];
        MemoryFree = (delegate* unmanaged<nint, int>)f["cuMemFree_v2"];
        HostMemoryAllocate = (delegate* unmanaged<nint*, nuint, uint, int>)f["cuMemHostAlloc"];
        HostMemoryFree = (delegate* unmanaged<nint, int>)f["cuMemFreeHost"];
        CopyHostToDevice = (delegate* unmanaged<nint, nint, nuint, nint, int>)f["cuMemcpyHtoDAsync_v2"];
        CopyDeviceToHost = (delegate* unmanaged<nint, nint, nuint, nint, int>)f["cuMemcpyDtoHAsync_v2"];
        CopyDeviceToDevice = (delegate* unmanaged<nint, nint, nuint, nint, int>)f["cuMemcpyDtoDAsync_v2"];
        Fill = (delegate* unmanaged<nint, byte, nuint, nint, int>)f["cuMemsetD8Async"];
        StreamCreate = (delegate* unmanaged<nint*, uint, int>)f["cuStreamCreate"];
        StreamDestroy = (delegate* unmanaged<nint, int>)f["cuStreamDestroy_v2"];
        StreamSynchronize = (delegate* unmanaged<nint, int>)f["cuStreamSynchronize"];
        EventCreate = (delegate* unmanaged<nint*, uint, int>)f["cuEventCreate"];
        EventDestroy = (delegate* unmanaged<nint, int>)f["cuEventDestroy_v2"];
        EventRecord = (delegate* unmanaged<nint, nint, int>)f["cuEventRecord"];
        EventSynchronize = (delegate* unmanaged<nint, int>)f["cuEventSynchronize"];
        ModuleLoadData = (delegate* unmanaged<nint*, void*, int>)f["cuModuleLoadData"];
        ModuleUnload = (delegate* unmanaged<nint, int>)f["cuModuleUnload"];
        ModuleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)f["cuModuleGetFunction"];
        FunctionGetAttribute = (delegate* unmanaged<int*, int, nint, int>)f["cuFuncGetAttribute"];
        FunctionSetAttribute = (delegate* unmanaged<nint, int, int, int>)f["cuFuncSetAttribute"];
        LaunchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)f["cuLaunchKernel"];
        StreamBeginCapture = (delegate* unmanaged<nint, int, int>)f["cuStreamBeginCapture_v2"];
        StreamEndCapture = (delegate* unmanaged<nint, nint*, int>)f["cuStreamEndCapture"];
        // What cuda.h of CUDA 12 calls cuGraphInstantiate: the same signature since 11.4, whatever the driver.
        GraphInstantiate = (delegate* unmanaged<nint*, nint, ulong, int>)f["cuGraphInstantiateWithFlags"];
        GraphLaunch = (delegate* unmanaged<nint, nint, int>)f["cuGraphLaunch"];
        GraphDestroy = (delegate* unmanaged<nint, int>)f["cuGraphDestroy"];
        GraphExecutableDestroy = (delegate* unmanaged<nint, int>)f["cuGraphExecDestroy"];
    }

    /// <summary>The driver of this machine, started.</summary>
    /// <exception cref="CudaUnavailableException">There is none, it is too old, or it does not start.</exception>
    public static CudaDriver Instance => s_instance.Value;

    /// <summary>The version of CUDA that the driver is for, such as 12080; 0 where there is none.</summary>
    public static int Version
    {
        get
        {
            try
            {
                int version;
                Instance.Check(Instance.DriverGetVersion(&version), "cuDriverGetVersion");
                return version;
            }
            catch (CudaUnavailableException)
            {
                return 0;
            }
        }
    }

    /// <summary>Number of GPUs.</summary>
    public int Count
    {
        get
        {
            int count;
            Check(DeviceGetCount(&count), "cuDeviceGetCount");
            return count;
        }
    }

    /// <summary>Throws where a call failed.</summary>
    public void Check(int result, string function)
    {
        if (result != Success) throw new CudaException(function, ErrorText(result));
    }

    /// <summary>An error in words.</summary>
    public string ErrorText(int result)
    {
        byte* name = null, text = null;
        _errorName(result, &name);
        _errorText(result, &text);
        return $"{Marshal.PtrToStringUTF8((nint)name) ?? $"error {result}"} ({Marshal.PtrToStringUTF8((nint)text) ?? "unknown"})";
    }

    private static CudaDriver Start()
    {
        if (!NativeLibrary.TryLoad(s_library, out nint handle)) throw CudaUnavailableException.NoDriver(s_library);
        return Start(new NativeFunctions(s_library, handle));
    }

    /// <summary>Starts a driver.</summary>
    /// <exception cref="CudaUnavailableException">It is too old, or does not start.</exception>
    internal static CudaDriver Start(NativeFunctions functions)
    {
        int version = 0;
        ((delegate* unmanaged<int*, int>)functions["cuDriverGetVersion"])(&version); // may be asked before cuInit, and of drivers that lack newer functions
        if (version < 12000) throw CudaUnavailableException.OldDriver(version);
        var driver = new CudaDriver(functions);
        int result = driver._initialize(0);
        if (result is not (Success or NoDevice)) throw CudaUnavailableException.DriverFailed(driver.ErrorText(result));
        return result == Success ? driver : throw CudaUnavailableException.NoSuchGpu(0, 0);
    }
}

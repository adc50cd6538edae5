namespace RMeeTo.Cuda;

/// <summary>
/// Memory that is locked in place, through which ordinary memory is copied to a GPU: the caller may change its own as soon as it is copied here, and the GPU
/// copies on meanwhile. Two halves take turns.
/// </summary>
internal sealed unsafe class StagingMemory : IDisposable
{
    private const long HalfBytes = 4L << 20;
    private const uint NoTiming = 2; // CU_EVENT_DISABLE_TIMING

    private readonly CudaDriver _driver;
    private readonly nint _stream;
    private readonly nint[] _copied = new nint[2]; // events
    private readonly byte* _memory;
    private int _half;

    /// <summary>The stream's context is current.</summary>
    public StagingMemory(CudaDriver driver, nint stream)
    {
        (_driver, _stream) = (driver, stream);
        nint memory, copied;
        driver.Check(driver.HostMemoryAllocate(&memory, 2 * (nuint)HalfBytes, 0), "cuMemHostAlloc");
        _memory = (byte*)memory;
        for (int i = 0; i < 2; i++)
        {
            driver.Check(driver.EventCreate(&copied, NoTiming), "cuEventCreate");
            _copied[i] = copied;
        }
    }

    /// <summary>Queues a copy. The source may change afterwards.</summary>
    public void Copy(nint destination, byte* source, long bytes)
    {
        for (long done = 0; done < bytes; done += HalfBytes)
        {
            long count = Math.Min(HalfBytes, bytes - done);
            byte* half = _memory + _half * HalfBytes;
            _driver.Check(_driver.EventSynchronize(_copied[_half]), "cuEventSynchronize"); // of one that was never recorded: at once
            Buffer.MemoryCopy(source + done, half, HalfBytes, count);
            _driver.Check(_driver.CopyHostToDevice(destination + (nint)done, (nint)half, (nuint)count, _stream), "cuMemcpyHtoDAsync");
            _driver.Check(_driver.EventRecord(_copied[_half], _stream), "cuEventRecord");
            _half = 1 - _half;
        }
    }

    /// <summary>Frees it. The stream has nothing left to do.</summary>
    public void Dispose()
    {
        foreach (nint copied in _copied) _driver.EventDestroy(copied);
        _driver.HostMemoryFree((nint)_memory);
    }
}

using System.Runtime.InteropServices;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>
/// The memory of an emulated GPU: every allocation stands between guard bytes, and is filled with NaN when it is made and when it is freed.
/// </summary>
internal sealed unsafe class EmulatedMemory : IDisposable
{
    private const int Guard = 256; // also the alignment
    private const byte Unset = 0xFF; // floats of these bytes are NaN

    private readonly SortedList<nint, long> _sizes = [];
    private readonly Lock _lock = new();
    private bool _disposed;
    private string? _violation;

    /// <summary>Bytes that are allocated now.</summary>
    public long Used { get; private set; }

    public nint Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(bytes + 2 * Guard), Guard);
        NativeMemory.Fill(memory, (nuint)(bytes + 2 * Guard), Unset);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _sizes.Add((nint)memory + Guard, bytes);
            Used += bytes;
        }
        GC.AddMemoryPressure(bytes); // what tests do not dispose of
        return (nint)memory + Guard;
    }

    /// <summary>Frees memory. Never throws for what a kernel did to it: a finalizer may be the caller. The next <see cref="Check"/> does.</summary>
    public void Free(nint memory)
    {
        lock (_lock)
        {
            if (!_sizes.Remove(memory, out long bytes))
            {
                if (!_disposed) throw new EmulationException($"Memory at {memory:x} is freed that is not allocated.");
                return;
            }
            Used -= bytes;
            _violation ??= Violation(memory, bytes);
            Release(memory, bytes);
        }
    }

    /// <summary>Checks the guards around the allocation that an address lies in, if it does.</summary>
    /// <returns>What is wrong, or null.</returns>
    public string? Check(nint address)
    {
        lock (_lock)
        {
            if (_violation is not null)
            {
                string before = _violation;
                _violation = null;
                return $"{before} (noticed when the memory was freed)";
            }
            int place = Find(address);
            return place < 0 ? null : Violation(_sizes.GetKeyAtIndex(place), _sizes.GetValueAtIndex(place));
        }
    }

    /// <summary>All allocations, in order of address.</summary>
    public EmulatedRegion[] Regions()
    {
        lock (_lock) return [.. _sizes.Select(size => new EmulatedRegion(size.Key, size.Key + (nint)size.Value))];
    }

    /// <summary>Throws where a range does not lie inside one allocation.</summary>
    public void CheckRange(nint memory, long bytes, string what)
    {
        lock (_lock)
        {
            int place = Find(memory);
            if (bytes < 0 || place < 0 || memory - _sizes.GetKeyAtIndex(place) + bytes > _sizes.GetValueAtIndex(place))
                throw new EmulationException($"{what} {bytes} bytes at {memory:x}, which is not (all) allocated.");
        }
    }

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            foreach (var (memory, bytes) in _sizes) Release(memory, bytes);
            _sizes.Clear();
        }
    }

    /// <summary>Index of the allocation that holds an address, or −1.</summary>
    private int Find(nint address)
    {
        int low = 0, high = _sizes.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_sizes.GetKeyAtIndex(middle) <= address) low = middle + 1;
            else high = middle;
        }
        return low > 0 && address <= _sizes.GetKeyAtIndex(low - 1) + _sizes.GetValueAtIndex(low - 1) ? low - 1 : -1;
    }

    private static string? Violation(nint memory, long bytes)
    {
        int before = new ReadOnlySpan<byte>((void*)(memory - Guard), Guard).IndexOfAnyExcept(Unset);
        if (before >= 0) return $"byte {before - Guard} of an allocation of {bytes} bytes was written";
        int after = new ReadOnlySpan<byte>((void*)(memory + (nint)bytes), Guard).IndexOfAnyExcept(Unset);
        return after < 0 ? null : $"byte {bytes + after} of an allocation of {bytes} bytes was written";
    }

    private static void Release(nint memory, long bytes)
    {
        NativeMemory.Fill((void*)memory, (nuint)bytes, Unset);
        NativeMemory.AlignedFree((void*)(memory - Guard));
        GC.RemoveMemoryPressure(bytes);
    }
}

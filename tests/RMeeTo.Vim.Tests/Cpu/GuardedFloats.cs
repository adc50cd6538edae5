using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>
/// Floats that end where the memory ends: on Linux and macOS the page behind them cannot be touched, so a kernel that reads or writes too far stops the test.
/// </summary>
internal sealed unsafe class GuardedFloats : IDisposable
{
    private const int NoAccess = 0, ReadWrite = 3, Private = 2;

    private static readonly int Anonymous = OperatingSystem.IsMacOS() ? 0x1000 : 0x20;
    private static readonly bool HasPages = OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    private readonly byte* _memory;
    private readonly nuint _byteCount;

    public GuardedFloats(int count)
    {
        var page = (nuint)Environment.SystemPageSize;
        Count = count;
        if (HasPages)
        {
            var used = ((nuint)count * sizeof(float) + page - 1) / page * page;
            _byteCount = used + page;
            _memory = Map(null, _byteCount, ReadWrite, Private | Anonymous, -1, 0);
            if ((nint)_memory == -1 || Protect(_memory + used, page, NoAccess) != 0) throw new OutOfMemoryException();
            Pointer = (float*)(_memory + used) - count;
        }
        else
        {
            _memory = (byte*)NativeMemory.AllocZeroed((nuint)count + 1, sizeof(float));
            Pointer = (float*)_memory;
        }
    }

    public GuardedFloats(int count, Random random) : this(count)
    {
        for (var i = 0; i < count; i++) Pointer[i] = random.NextSingle() * 2 - 1;
    }

    public GuardedFloats(GuardedFloats other) : this(other.Count) => other.Span.CopyTo(Span);

    public int Count { get; }

    public float* Pointer { get; }

    public Span<float> Span => new(Pointer, Count);

    public void Dispose()
    {
        if (HasPages) Unmap(_memory, _byteCount);
        else NativeMemory.Free(_memory);
    }

    [DllImport("libc", EntryPoint = "mmap")]
    private static extern byte* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    private static extern int Protect(void* address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "munmap")]
    private static extern int Unmap(void* address, nuint length);
}

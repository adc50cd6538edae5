using System.Buffers;
using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Tests.Images;

/// <summary>Bytes that end where an unmapped page begins, so that reading or writing beyond them ends the process. Unix only.</summary>
internal sealed unsafe partial class GuardedMemory : MemoryManager<byte>
{
    private const int ReadWrite = 3;
    private readonly nint _length;
    private readonly byte* _mapping;
    private readonly byte* _bytes;
    private readonly int _count;

    public GuardedMemory(int count)
    {
        var page = Environment.SystemPageSize;
        var used = (count + page - 1) / page * page;
        _length = used + page;
        _mapping = (byte*)NativeMemory.AlignedAlloc((nuint)_length, (nuint)page);
        _bytes = _mapping + used - count;
        _count = count;
        if (Protect((nint)(_mapping + used), page, 0) != 0)
            throw new InvalidOperationException($"mprotect failed with {Marshal.GetLastPInvokeError()}.");
    }

    public override Span<byte> GetSpan() => new(_bytes, _count);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_bytes + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        _ = Protect((nint)_mapping, _length, ReadWrite);
        NativeMemory.AlignedFree(_mapping);
    }

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nint length, int protection);
}

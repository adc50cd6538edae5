using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>Memory that does not move, for one transfer at a time: MPI reads or writes it until the transfer is complete.</summary>
internal sealed unsafe class MpiBuffer
{
    private nuint _capacity;

    /// <summary>The bytes.</summary>
    public byte* Pointer { get; private set; }

    /// <summary>Bytes of the transfer.</summary>
    public int Length { get; private set; }

    /// <summary>Handle of the transfer that is under way; 0 where none is.</summary>
    public nint Request;

    /// <summary>Room for so many bytes; what was in it may be lost.</summary>
    public Span<byte> Reserve(int length)
    {
        if ((nuint)length > _capacity)
        {
            Pointer = (byte*)NativeMemory.Realloc(Pointer, (nuint)length);
            _capacity = (nuint)length;
        }
        Length = length;
        return Bytes;
    }

    /// <summary>The bytes.</summary>
    public Span<byte> Bytes => new(Pointer, Length);

    /// <summary>Frees the memory. No transfer may be under way.</summary>
    public void Free()
    {
        NativeMemory.Free(Pointer);
        Pointer = null;
        (Length, _capacity) = (0, 0);
    }
}

using System.Buffers.Binary;
using System.Text;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>The bytes of one or more pickles, read forwards; it knows how many it has given out, so that what follows them in the stream can be
/// found.</summary>
/// <param name="stream">Read from its position.</param>
/// <param name="length">Bytes there are at most; nothing behind them is touched.</param>
/// <param name="budget">Pays for texts.</param>
/// <param name="fault">For messages.</param>
internal sealed class PickleInput(Stream stream, long length, PickleBudget budget, TorchFault fault)
{
    private const int MaxNameBytes = 1 << 10;

    private readonly byte[] _buffer = new byte[1 << 13];
    private long _read;
    private int _place, _filled;

    /// <summary>Bytes given out.</summary>
    public long Consumed => _read - (_filled - _place);

    /// <summary>Bytes still to come.</summary>
    public long Left => length - Consumed;

    /// <summary>The next byte.</summary>
    public byte ReadByte()
    {
        if (_place == _filled) Refill();
        return _buffer[_place++];
    }

    /// <summary>Fills a span.</summary>
    public void ReadExactly(Span<byte> bytes)
    {
        CheckLeft(bytes.Length);
        while (!bytes.IsEmpty)
        {
            if (_place == _filled) Refill();
            int count = Math.Min(bytes.Length, _filled - _place);
            _buffer.AsSpan(_place, count).CopyTo(bytes);
            _place += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>A whole number of 2 bytes.</summary>
    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(stackalloc byte[2]));

    /// <summary>A whole number of 4 bytes with a sign.</summary>
    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(stackalloc byte[4]));

    /// <summary>A whole number of 8 bytes with a sign.</summary>
    public long ReadInt64() => BinaryPrimitives.ReadInt64LittleEndian(Take(stackalloc byte[8]));

    /// <summary>A number of double precision; pickles have these the big end first.</summary>
    public double ReadDouble() => BinaryPrimitives.ReadDoubleBigEndian(Take(stackalloc byte[8]));

    /// <summary>A length of 4 or 8 bytes, of something that must still be there.</summary>
    public long ReadLength(bool wide)
    {
        ulong claimed = wide
            ? BinaryPrimitives.ReadUInt64LittleEndian(Take(stackalloc byte[8])) : BinaryPrimitives.ReadUInt32LittleEndian(Take(stackalloc byte[4]));
        if (claimed > (ulong)Left) throw fault.CutOff($"its pickle claims a value of {claimed} bytes where {Left} are left");
        return (long)claimed;
    }

    /// <summary>A text.</summary>
    public string ReadText(long bytes, Encoding encoding)
    {
        CheckLeft(bytes);
        budget.Spend(2 * bytes);
        if (bytes > Array.MaxLength) throw fault.Bad($"its pickle holds a text of {bytes} bytes");
        if (bytes <= _filled - _place)
        {
            string inside = encoding.GetString(_buffer, _place, (int)bytes);
            _place += (int)bytes;
            return inside;
        }
        var all = new byte[bytes];
        ReadExactly(all);
        return encoding.GetString(all);
    }

    /// <summary>A name that ends with a line feed.</summary>
    public string ReadLine()
    {
        Span<byte> name = stackalloc byte[MaxNameBytes];
        for (int i = 0; i < name.Length; i++)
        {
            name[i] = ReadByte();
            if (name[i] != (byte)'\n') continue;
            budget.Spend(2 * i);
            return Encoding.UTF8.GetString(name[..i]);
        }
        throw fault.Bad($"its pickle holds a global's name of more than {MaxNameBytes} bytes");
    }

    /// <summary>Passes over bytes.</summary>
    public void Skip(long bytes)
    {
        CheckLeft(bytes);
        while (bytes > 0)
        {
            if (_place == _filled) Refill();
            int count = (int)Math.Min(bytes, _filled - _place);
            _place += count;
            bytes -= count;
        }
    }

    private ReadOnlySpan<byte> Take(Span<byte> bytes)
    {
        ReadExactly(bytes);
        return bytes;
    }

    private void CheckLeft(long bytes)
    {
        if (bytes > Left) throw fault.CutOff($"its pickle needs {bytes} more bytes and {Left} are left");
    }

    private void Refill()
    {
        int most = (int)Math.Min(_buffer.Length, length - _read);
        (_place, _filled) = (0, most > 0 ? stream.Read(_buffer, 0, most) : 0);
        if (_filled == 0) throw fault.CutOff($"its pickle has no end within {_read} bytes");
        _read += _filled;
    }
}

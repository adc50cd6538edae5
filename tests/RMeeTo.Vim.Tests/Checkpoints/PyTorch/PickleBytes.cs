using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

/// <summary>A tensor over a storage, as a pickle describes it.</summary>
/// <param name="Key">The storage's key.</param>
/// <param name="Type">Class of the storage, without "Storage".</param>
/// <param name="Count">Numbers in the storage.</param>
/// <param name="Offset">Its first number.</param>
/// <param name="Shape">Edges.</param>
/// <param name="Strides">Strides, or null for row-major.</param>
internal sealed record TorchTensor(string Key, string Type, long Count, long Offset, long[] Shape, long[]? Strides = null)
{
    public long[] RowMajor => [.. Shape.Select((_, i) => Shape.Skip(i + 1).Aggregate(1L, (a, b) => a * b))];
}

/// <summary>A function or class.</summary>
internal sealed record TorchName(string Module, string Name);

/// <summary>A call: what <c>__reduce__</c> returns.</summary>
internal sealed record TorchCall(TorchName Function, object?[] Arguments);

/// <summary>A new object of a class, as protocol 2 makes it.</summary>
internal sealed record TorchNew(TorchName Class, object?[] Arguments);

/// <summary>An object and its attributes.</summary>
internal sealed record TorchState(object? Inner, object? State);

/// <summary>An <c>OrderedDict</c>; an array of pairs is a plain dict, any other array a tuple, a list a list.</summary>
internal sealed record TorchOrdered((object? Key, object? Value)[] Items);

/// <summary>Bytes as they are, in the middle of a pickle.</summary>
internal sealed record TorchRaw(PickleBytes Steps);

/// <summary>Writes pickles step by step, as Python and PyTorch do (protocol 2, or 4 with its own steps), and as they never would.</summary>
/// <remarks>Texts are remembered where they first occur, but for those in steps that were written apart (<see cref="TorchRaw"/>): their places would be
/// others.</remarks>
internal sealed class PickleBytes(bool legacy = false, int protocol = 2, bool remembers = false)
{
    private readonly List<byte> _bytes = [];
    private readonly Dictionary<string, int> _memo = [];
    private int _memoCount;

    /// <summary>A whole pickle of one value.</summary>
    public static byte[] Of(object? value, bool legacy = false, int protocol = 2)
    {
        var pickle = new PickleBytes(legacy, protocol, remembers: true).Raw(0x80, (byte)protocol);
        if (protocol >= 4) pickle.Raw(0x95, 0, 0, 0, 0, 0, 0, 0, 0); // a frame; its length is not used
        return [.. pickle.Value(value).Raw('.')._bytes];
    }

    public PickleBytes Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public byte[] ToArray() => [.. _bytes];

    public PickleBytes Raw(char step) => Raw((byte)step);

    public PickleBytes Value(object? value) => value switch
    {
        null => Raw('N'),
        true => Raw(0x88),
        false => Raw(0x89),
        int number => Number(number),
        long number => Number(number),
        BigInteger number => Raw([0x8a, (byte)number.GetByteCount(), .. number.ToByteArray()]),
        double number => Raw([(byte)'G', .. Bytes(b => BinaryPrimitives.WriteDoubleBigEndian(b, number), 8)]),
        string text => Text(text),
        TorchRaw raw => Raw([.. raw.Steps._bytes]),
        TorchName name => Name(name),
        TorchTensor tensor => Tensor(tensor),
        TorchCall call => Name(call.Function).Tuple(call.Arguments).Raw('R'),
        TorchNew made => Name(made.Class).Tuple(made.Arguments).Raw(0x81),
        TorchState state => Value(state.Inner).Value(state.State).Raw('b'),
        TorchOrdered ordered => Value(new TorchCall(new("collections", "OrderedDict"), [])).Items(ordered.Items),
        (object? Key, object? Value)[] dict => Raw('}').Items(dict),
        List<object?> list => list.Aggregate(Raw(']').Raw('('), (p, item) => p.Value(item)).Raw('e'),
        object?[] tuple => Tuple(tuple),
        _ => throw new ArgumentException($"A {value.GetType()} cannot be pickled here."),
    };

    private PickleBytes Number(long number)
    {
        if (number is >= 0 and < 256) return Raw((byte)'K', (byte)number);
        if (number is >= 0 and < 65536) return Raw((byte)'M', (byte)number, (byte)(number >> 8));
        if (number is >= int.MinValue and <= int.MaxValue) return Raw([(byte)'J', .. BitConverter.GetBytes((int)number)]);
        return Raw([0x8a, 8, .. BitConverter.GetBytes(number)]);
    }

    private PickleBytes Text(string text)
    {
        if (_memo.TryGetValue(text, out int place)) return Raw([(byte)'j', .. BitConverter.GetBytes(place)]);
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (protocol >= 4) Raw([0x8c, (byte)bytes.Length, .. bytes]);
        else Raw([(byte)'X', .. BitConverter.GetBytes(bytes.Length), .. bytes]);
        return Remember(text);
    }

    private PickleBytes Name(TorchName name)
    {
        string key = $"{name.Module} {name.Name}";
        if (_memo.TryGetValue(key, out int place)) return Raw([(byte)'j', .. BitConverter.GetBytes(place)]);
        if (protocol >= 4) return Text(name.Module).Text(name.Name).Raw(0x93).Remember(key);
        return Raw([(byte)'c', .. Encoding.UTF8.GetBytes($"{name.Module}\n{name.Name}\n")]).Remember(key);
    }

    private PickleBytes Remember(string key)
    {
        if (!remembers) return this;
        _memo[key] = _memoCount;
        if (protocol >= 4) return Remember(0x94);
        return _memoCount < 256 ? Remember((byte)'q', (byte)_memoCount) : Remember([(byte)'r', .. BitConverter.GetBytes(_memoCount)]);
    }

    private PickleBytes Remember(params byte[] step)
    {
        _memoCount++;
        return Raw(step);
    }

    private PickleBytes Tuple(object?[] items)
    {
        if (items.Length > 3) Raw('(');
        foreach (object? item in items) Value(item);
        return items.Length switch { 0 => Raw(')'), 1 => Raw(0x85), 2 => Raw(0x86), 3 => Raw(0x87), _ => Raw('t') };
    }

    private PickleBytes Items((object? Key, object? Value)[] items) => items.Aggregate(Raw('('), (p, item) => p.Value(item.Key).Value(item.Value)).Raw('u');

    private PickleBytes Tensor(TorchTensor tensor)
    {
        Name(new("torch._utils", "_rebuild_tensor_v2")).Raw('(').Storage(tensor).Number(tensor.Offset);
        Tuple([.. tensor.Shape.Cast<object?>()]).Tuple([.. (tensor.Strides ?? tensor.RowMajor).Cast<object?>()]);
        return Value(false).Value(new TorchOrdered([])).Raw('t').Raw('R');
    }

    /// <summary>A storage as a persistent id.</summary>
    public PickleBytes Storage(TorchTensor tensor)
    {
        Raw('(').Text("storage").Name(new("torch", $"{tensor.Type}Storage")).Text(tensor.Key).Text("cpu").Number(tensor.Count);
        return (legacy ? Raw('N') : this).Raw('t').Raw('Q');
    }

    private static byte[] Bytes(Action<byte[]> write, int count)
    {
        var bytes = new byte[count];
        write(bytes);
        return bytes;
    }
}

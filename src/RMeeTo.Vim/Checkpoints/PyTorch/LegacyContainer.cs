using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>
/// The format of <c>torch.save</c> before PyTorch 1.6: five pickles (a magic number, the format's version, the system, the object, the keys of the
/// storages), then for each key a count of 8 bytes and the numbers.
/// </summary>
internal sealed class LegacyContainer : ITorchContainer
{
    private const long Version = 1001;
    private const int CountBytes = 8;

    private static readonly BigInteger Magic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private readonly Dictionary<string, PickledStorage> _named = [];
    private readonly Dictionary<string, long> _begins = [];
    private readonly Stream _stream;
    private readonly long _start, _length;
    private readonly TorchFault _fault;

    /// <summary>Runs the pickles and finds the storages.</summary>
    /// <param name="stream">Can seek; read from its position to its end.</param>
    /// <param name="unknown">What to do about unknown objects.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, refused, or of another format.</exception>
    public LegacyContainer(Stream stream, UnknownObjects unknown, TorchFault fault)
    {
        (_stream, _start, _length, _fault) = (stream, stream.Position, stream.Length - stream.Position, fault);
        var budget = new PickleBudget(_length, fault);
        var input = new PickleInput(stream, _length, budget, fault);
        var calls = new PickleCalls(unknown, budget, fault);
        object? Next(Func<object?, object> persistent) => new PickleMachine(input, budget, calls, persistent, fault).Run();
        object Never(object? id) => throw fault.Bad("its header refers to storages");

        if (Next(Never) is not BigInteger magic || magic != Magic)
            throw fault.Refused("is a Python pickle, but not one that torch.save wrote", "Save the weights in Python: torch.save(state_dict, 'weights.pth').");
        if (Next(Never) is not Version)
            throw fault.Refused($"is of a legacy format other than {Version}", "Load it with the PyTorch that wrote it and save it again.");
        if (Next(Never) is PickledDict system && system.Find("little_endian") is false)
            throw fault.Refused("was written on a big-endian machine, whose numbers are not read",
                "Load it with PyTorch on an ordinary machine and save it again.");
        Root = Next(Name);
        if (Next(Never) is not PickledList keys) throw fault.Bad("no list of storages follows its pickle");
        FindStorages(keys, input.Consumed);
    }

    /// <inheritdoc/>
    public object? Root { get; }

    /// <inheritdoc/>
    public void Check(PickledStorage storage)
    {
        if (!_begins.ContainsKey(storage.Key))
            throw _fault.Bad($"its pickle names storage {SafetensorsHeader.Show(storage.Key)}, which the file does not hold");
    }

    /// <inheritdoc/>
    public StoredBytes Open(PickledStorage storage)
    {
        Check(storage);
        return new(_stream, _start + _begins[storage.Key], PersistentIds.Bytes(storage), _fault);
    }

    private PickledStorage Name(object? id)
    {
        var storage = PersistentIds.Storage(id, _length, _fault);
        if (_named.TryAdd(storage.Key, storage)) return storage;
        var other = _named[storage.Key];
        string shown = SafetensorsHeader.Show(storage.Key);
        return (other.TypeName, other.Length) == (storage.TypeName, storage.Length) ? storage
            : throw _fault.Bad($"its pickle names storage {shown} with {other.Length} and with {storage.Length} numbers, or of two types");
    }

    private void FindStorages(PickledList keys, long place)
    {
        Span<byte> bytes = stackalloc byte[CountBytes];
        foreach (object? item in keys.Items)
        {
            if (item is not string key || !_named.TryGetValue(key, out var storage))
                throw _fault.Bad("its list of storages names one that its pickle does not");
            string shown = SafetensorsHeader.Show(key);
            if (_begins.ContainsKey(key)) throw _fault.Bad($"its list of storages names {shown} twice");
            if (place > _length - CountBytes) throw _fault.CutOff($"it ends before storage {shown}");
            _stream.Position = _start + place;
            if (_stream.ReadAtLeast(bytes, CountBytes, throwOnEndOfStream: false) < CountBytes) throw _fault.CutOff("it became shorter while it was read");
            long count = BinaryPrimitives.ReadInt64LittleEndian(bytes);
            if (count != storage.Length) throw _fault.Bad($"storage {shown} has {count} numbers, and its pickle says {storage.Length}");
            place += CountBytes;
            if (PersistentIds.Bytes(storage) > _length - place)
                throw _fault.CutOff($"storage {shown} has {PersistentIds.Bytes(storage)} bytes and {_length - place} are left");
            _begins.Add(key, place);
            place += PersistentIds.Bytes(storage);
        }
    }
}

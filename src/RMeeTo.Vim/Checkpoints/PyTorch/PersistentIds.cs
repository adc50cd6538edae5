namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>Persistent ids of <c>torch.save</c>: the tuples ('storage', class, key, location, count) that stand for storages in a pickle.</summary>
internal static class PersistentIds
{
    /// <summary>The storage that an id stands for.</summary>
    /// <param name="id">What the pickle gives; the legacy format has a sixth item, None or (key, first number, count) of a part.</param>
    /// <param name="fileLength">Bytes of the file; no storage is longer.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">It is no such id, or the storage is larger than the file.</exception>
    public static PickledStorage Storage(object? id, long fileLength, TorchFault fault)
    {
        if (id is PickledTuple { Items: ["module", ..] })
            throw fault.Refused("is a whole pickled model with its source text, of which nothing was executed",
                "Save its weights alone in Python: torch.save(model.state_dict(), 'weights.pth').");
        if (id is not PickledTuple { Items: ["storage", PickledGlobal { Kind: GlobalKind.Storage } type, string key, _, long count, ..] items }
            || items.Length > 6)
            throw fault.Bad("its pickle refers to something outside itself that is no storage");
        int size = type.DataType is { } known ? StoredNumbers.SizeOf(known) : 1;
        if (count < 0 || count > fileLength / size)
            throw fault.Bad($"its pickle claims a storage {SafetensorsHeader.Show(key)} of {count} numbers of {size} bytes in a file of {fileLength} bytes");
        (long begin, long part) = (0, count);
        if (items.Length == 6 && items[5] is { } view)
        {
            if (view is not PickledTuple { Items: [_, long first, long length] } || first < 0 || length < 0 || first > count - length)
                throw fault.Bad($"its pickle names a part of storage {SafetensorsHeader.Show(key)} that does not lie inside its {count} numbers");
            (begin, part) = (first, length);
        }
        return new(key, type.Name, type.DataType, count, begin, part);
    }

    /// <summary>Bytes of a storage.</summary>
    public static long Bytes(PickledStorage storage) => storage.Length * (storage.DataType is { } type ? StoredNumbers.SizeOf(type) : 1);
}

namespace RMeeTo.Vim.Checkpoints.PyTorch;

// What a pickle's objects become: plain data. None is null; numbers, truth values and texts are themselves; the rest is below.

/// <summary>A tuple, or a <c>torch.Size</c>.</summary>
/// <param name="Items">In order.</param>
internal sealed record PickledTuple(object?[] Items);

/// <summary>A list.</summary>
internal sealed class PickledList
{
    private List<object?>? _items;

    /// <summary>In order.</summary>
    public IReadOnlyList<object?> Items => _items ?? (IReadOnlyList<object?>)[];

    /// <summary>Appends.</summary>
    public void Add(object? item) => (_items ??= []).Add(item);
}

/// <summary>A dict or an <c>OrderedDict</c>: pairs in the order in which they came. A key may occur again; the last one counts, as in Python.</summary>
internal sealed class PickledDict
{
    private List<(object? Key, object? Value)>? _items;

    /// <summary>In order.</summary>
    public IReadOnlyList<(object? Key, object? Value)> Items => _items ?? (IReadOnlyList<(object?, object?)>)[];

    /// <summary>Appends.</summary>
    public void Add(object? key, object? value) => (_items ??= []).Add((key, value));

    /// <summary>The value under a text, or null.</summary>
    public object? Find(string key) => Items.LastOrDefault(item => item.Key is string text && text == key).Value;
}

/// <summary>An object of a known kind whose contents nobody needs, and an empty place for one of an unknown kind. It can be carried about, and no tensor
/// can come from it.</summary>
/// <param name="Type">Its Python type.</param>
internal sealed record PickledObject(string Type);

/// <summary>A function or class that a pickle names.</summary>
/// <param name="Name">Module and name.</param>
/// <param name="Kind">What calling it makes.</param>
/// <param name="DataType">Of a storage class or a dtype: the numbers in it. Null for storages of bytes and for types that cannot be weights.</param>
internal sealed record PickledGlobal(string Name, GlobalKind Kind, CheckpointDataType? DataType = null);

/// <summary>Where numbers lie.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="TypeName">Python name of its type, for messages.</param>
/// <param name="DataType">Type of its numbers; null where it is not known here.</param>
/// <param name="Length">Numbers in it; bytes where it has no type of its own.</param>
/// <param name="Begin">First number of the part that is meant; only the legacy format has parts.</param>
/// <param name="Count">Numbers of the part that is meant.</param>
internal sealed record PickledStorage(string Key, string TypeName, CheckpointDataType? DataType, long Length, long Begin, long Count)
{
    /// <summary>Whether it is a row of bytes whose type the tensor says.</summary>
    public bool IsUntyped => TypeName.EndsWith("UntypedStorage", StringComparison.Ordinal);
}

/// <summary>A view of a storage. Only its form has been checked when it is made; <see cref="TensorView"/> checks it against the storage.</summary>
/// <param name="Storage">Where its numbers lie.</param>
/// <param name="DataType">Type of its numbers, or null where it is none that weights can have.</param>
/// <param name="Offset">Number of the storage that is its first.</param>
/// <param name="Shape">Edges, first to last.</param>
/// <param name="Strides">Numbers from one to the next along each edge.</param>
internal sealed record PickledTensor(PickledStorage Storage, CheckpointDataType? DataType, long Offset, long[] Shape, long[] Strides);

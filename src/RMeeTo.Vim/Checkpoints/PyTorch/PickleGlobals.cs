using System.Collections.Frozen;
using Type = RMeeTo.Vim.Checkpoints.CheckpointDataType;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>What calling a named function or class makes here.</summary>
internal enum GlobalKind
{
    /// <summary>An object whose contents nobody needs.</summary>
    Opaque,

    /// <summary><c>collections.OrderedDict</c>.</summary>
    OrderedDict,

    /// <summary><c>torch.Size</c>, a tuple.</summary>
    Size,

    /// <summary>A tensor over a storage that has a type.</summary>
    RebuildTensor,

    /// <summary>A tensor over a storage of bytes; the seventh argument says the type.</summary>
    RebuildTensorV3,

    /// <summary>A parameter: the tensor that is its first argument.</summary>
    RebuildParameter,

    /// <summary>A tensor with attributes: a function, a class, the function's arguments, the attributes.</summary>
    RebuildFromType,

    /// <summary>A storage class; never called, only named.</summary>
    Storage,

    /// <summary>A dtype; never called, only named.</summary>
    DataType,
}

/// <summary>
/// The functions and classes that a checkpoint may name. None of them is ever looked up or run: each stands for a way to make plain data of its arguments,
/// and most for an object that is carried along unread. Whatever is not on the list is refused by its name.
/// </summary>
internal static class PickleGlobals
{
    private static readonly FrozenDictionary<string, PickledGlobal> s_known = Known().ToFrozenDictionary(g => g.Name, StringComparer.Ordinal);

    /// <summary>The kind of a global.</summary>
    /// <exception cref="CheckpointFormatException">It is not on the list, and unknown ones are to be refused.</exception>
    public static PickledGlobal Find(string module, string name, UnknownObjects unknown, TorchFault fault)
    {
        string full = $"{module}.{name}";
        if (s_known.TryGetValue(full, out var known)) return known;
        string shown = SafetensorsHeader.Show(full);
        if (RebuildsOther(module, name))
            throw fault.Refused($"holds a tensor of a kind that no weights here have ({shown}: sparse, quantized, complex or of another device)",
                "Save the state dict with dense tensors of Float32 on the CPU.");
        if (unknown == UnknownObjects.Skip) return new(full, GlobalKind.Opaque);
        if (module.StartsWith("torch.nn.modules", StringComparison.Ordinal))
            throw fault.Refused($"is a whole pickled model (it names {shown}), of which nothing was executed",
                "Save its weights alone in Python: torch.save(model.state_dict(), 'weights.pth').");
        throw fault.Refused($"names the Python object {shown}, which no checkpoint of weights needs; nothing of the file was executed",
            "Get the file from its authors, or save its weights alone in Python: torch.save(checkpoint['model'], 'weights.pth'). "
            + "UnknownObjects.Skip of CheckpointReadOptions reads the weights beside such objects, and executes nothing either.");
    }

    // Sparse, quantized, complex and the like: known to PyTorch, and of no use here.
    private static bool RebuildsOther(string module, string name) => module switch
    {
        "torch._utils" => name.StartsWith("_rebuild_", StringComparison.Ordinal),
        "torch" => name.EndsWith("Storage", StringComparison.Ordinal) || name.StartsWith("per_", StringComparison.Ordinal),
        _ => false,
    };

    private static IEnumerable<PickledGlobal> Known()
    {
        yield return new("collections.OrderedDict", GlobalKind.OrderedDict);
        yield return new("torch.Size", GlobalKind.Size);
        yield return new("torch._utils._rebuild_tensor", GlobalKind.RebuildTensor);
        yield return new("torch._utils._rebuild_tensor_v2", GlobalKind.RebuildTensor);
        yield return new("torch._utils._rebuild_tensor_v3", GlobalKind.RebuildTensorV3);
        yield return new("torch._utils._rebuild_parameter", GlobalKind.RebuildParameter);
        yield return new("torch._utils._rebuild_parameter_with_state", GlobalKind.RebuildParameter);
        yield return new("torch._tensor._rebuild_from_type_v2", GlobalKind.RebuildFromType);
        foreach (var (storage, type) in Storages)
            foreach (string module in (string[])["torch", "torch.cuda"])
                yield return new($"{module}.{storage}Storage", GlobalKind.Storage, type);
        yield return new("torch.storage.UntypedStorage", GlobalKind.Storage);
        foreach (var (name, type) in DataTypes) yield return new($"torch.{name}", GlobalKind.DataType, type);
        foreach (string name in Harmless) yield return new(name, GlobalKind.Opaque);
    }

    private static IEnumerable<(string, Type?)> Storages =>
    [
        ("Float", Type.Float32), ("Double", Type.Float64), ("Half", Type.Float16), ("BFloat16", Type.BFloat16), ("Long", Type.Int64), ("Int", Type.Int32),
        ("Short", Type.Int16), ("Char", Type.Int8), ("Byte", Type.UInt8), ("Bool", Type.Bool), ("Untyped", null),
    ];

    private static IEnumerable<(string, Type?)> DataTypes =>
    [
        ("float32", Type.Float32), ("float64", Type.Float64), ("float16", Type.Float16), ("bfloat16", Type.BFloat16), ("int64", Type.Int64),
        ("int32", Type.Int32), ("int16", Type.Int16), ("int8", Type.Int8), ("uint8", Type.UInt8), ("uint16", Type.UInt16), ("uint32", Type.UInt32),
        ("uint64", Type.UInt64), ("bool", Type.Bool), ("float8_e5m2", Type.Float8E5M2), ("float8_e4m3fn", Type.Float8E4M3), ("complex64", null),
        ("complex128", null),
    ];

    // Seen beside the weights of training checkpoints: options, learning rates as NumPy numbers, random states, sets of names. All of it is data.
    private static IEnumerable<string> Harmless =>
    [
        "argparse.Namespace", "types.SimpleNamespace", "collections.defaultdict", "collections.Counter", "collections.deque",
        .. Builtins.SelectMany(name => (string[])[$"builtins.{name}", $"__builtin__.{name}"]),
        "_codecs.encode", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath",
        "pathlib._local.PosixPath", "pathlib._local.WindowsPath", "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta",
        "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
        "torch.device", "torch.torch_version.TorchVersion", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    ];

    private static IEnumerable<string> Builtins =>
    [
        "set", "frozenset", "bytearray", "bytes", "complex", "slice", "range", "xrange", "int", "long", "float", "bool", "str", "unicode", "list", "dict",
        "tuple",
    ];
}

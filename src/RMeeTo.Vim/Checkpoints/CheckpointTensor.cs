namespace RMeeTo.Vim.Checkpoints;

/// <summary>Kind of number that a tensor of a file is stored in.</summary>
public enum CheckpointDataType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>8-bit unsigned.</summary>
    UInt8,

    /// <summary>8-bit signed.</summary>
    Int8,

    /// <summary>8-bit float, 5 bits of exponent.</summary>
    Float8E5M2,

    /// <summary>8-bit float, 4 bits of exponent.</summary>
    Float8E4M3,

    /// <summary>16-bit signed.</summary>
    Int16,

    /// <summary>16-bit unsigned.</summary>
    UInt16,

    /// <summary>IEEE half precision.</summary>
    Float16,

    /// <summary>The upper half of a single-precision number.</summary>
    BFloat16,

    /// <summary>32-bit signed.</summary>
    Int32,

    /// <summary>32-bit unsigned.</summary>
    UInt32,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>64-bit signed.</summary>
    Int64,

    /// <summary>64-bit unsigned.</summary>
    UInt64,

    /// <summary>IEEE double precision.</summary>
    Float64,
}

/// <summary>One tensor that a checkpoint holds.</summary>
/// <param name="Name">Name in the state dict.</param>
/// <param name="DataType">How it is stored.</param>
/// <param name="Shape">Edges, first to last; empty for a single number.</param>
public sealed record CheckpointTensor(string Name, CheckpointDataType DataType, IReadOnlyList<long> Shape)
{
    /// <summary>Number of values.</summary>
    public long Length => Shape.Aggregate(1L, (product, edge) => checked(product * edge));

    /// <summary>The shape as text, such as (384, 16).</summary>
    public string ShapeText => $"({string.Join(", ", Shape)})";
}

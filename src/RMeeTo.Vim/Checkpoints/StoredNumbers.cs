using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Numbers as files store them, little-endian, and as weights: single precision.</summary>
internal static class StoredNumbers
{
    private const int ChunkBytes = 1 << 16;

    /// <summary>Fills a span with the next bytes of a file, or throws.</summary>
    public delegate void ByteSource(Span<byte> bytes);

    /// <summary>Bytes of one value.</summary>
    public static int SizeOf(CheckpointDataType type) => type switch
    {
        <= CheckpointDataType.Float8E4M3 => 1,
        <= CheckpointDataType.BFloat16 => 2,
        <= CheckpointDataType.Float32 => 4,
        _ => 8,
    };

    /// <summary>Checks that a tensor exists, can be read as weights and fits where it is to go.</summary>
    /// <exception cref="ArgumentException">There is no such tensor, or its length is another.</exception>
    /// <exception cref="CheckpointFormatException">It holds something other than floating-point numbers of 16, 32 or 64 bits.</exception>
    public static void CheckRead(string source, string name, CheckpointTensor? tensor, int destination)
    {
        if (tensor == null) throw new ArgumentException($"{source} holds no tensor '{name}'.", nameof(name));
        if (destination != tensor.Length)
            throw new ArgumentException($"{name} has {tensor.Length} values in {source} and the destination room for {destination}; they must be equal.",
                nameof(destination));
        if (tensor.DataType is not (CheckpointDataType.Float16 or CheckpointDataType.BFloat16 or CheckpointDataType.Float32 or CheckpointDataType.Float64))
            throw new CheckpointFormatException($"{name} is stored as {tensor.DataType} in {source}; only Float32, Float64, Float16 and BFloat16 can be read "
                + "as weights. Convert the tensor to Float32 where the file is made.");
    }

    /// <summary>Reads as many values as <paramref name="destination"/> holds, one after the other.</summary>
    /// <param name="fill">Gives the bytes, in order.</param>
    /// <param name="type">A type that <see cref="CheckRead"/> lets pass.</param>
    /// <param name="destination">The values; those of double precision are rounded to the nearest.</param>
    /// <param name="chunk">A buffer of this reader, made at the first need.</param>
    public static void Read(ByteSource fill, CheckpointDataType type, Span<float> destination, ref byte[]? chunk)
    {
        if (type == CheckpointDataType.Float32 && BitConverter.IsLittleEndian)
        {
            fill(MemoryMarshal.AsBytes(destination));
            return;
        }
        chunk ??= new byte[ChunkBytes];
        int size = SizeOf(type);
        while (!destination.IsEmpty)
        {
            int count = Math.Min(destination.Length, chunk.Length / size);
            fill(chunk.AsSpan(0, count * size));
            ToFloats(chunk, type, destination[..count]);
            destination = destination[count..];
        }
    }

    private static void ToFloats(ReadOnlySpan<byte> bytes, CheckpointDataType type, Span<float> values)
    {
        switch (type)
        {
            case CheckpointDataType.Float16:
                for (int i = 0; i < values.Length; i++) values[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]);
                break;
            case CheckpointDataType.BFloat16:
                for (int i = 0; i < values.Length; i++)
                    values[i] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16);
                break;
            case CheckpointDataType.Float32:
                for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]);
                break;
            case CheckpointDataType.Float64:
                for (int i = 0; i < values.Length; i++) values[i] = (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * i)..]);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of weights.");
        }
    }
}

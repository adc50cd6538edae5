using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Name in the state dict.</param>
/// <param name="Shape">Edges, first to last.</param>
/// <param name="Values">As many as the shape says, row-major.</param>
public readonly record struct FloatTensor(string Name, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);

/// <summary>Writes safetensors files of single-precision tensors, in the order given, without gaps; the tensors start at a multiple of 8 bytes.</summary>
public static class SafetensorsWriter
{
    private const int ChunkFloats = 1 << 14;

    /// <summary>
    /// Writes a file. It is written beside <paramref name="path"/>, flushed to the disk and renamed, so that an old file is replaced whole or not at all.
    /// </summary>
    /// <param name="path">The file to make or to replace.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">Texts to go with them, or null.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, a name is reserved, or values and shape disagree.</exception>
    /// <exception cref="IOException">The file cannot be written; an old file is as it was.</exception>
    public static void Write(string path, IReadOnlyList<FloatTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Write(path, stream => Write(stream, tensors, metadata));

    /// <summary>Writes to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">Texts to go with them, or null.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, a name is reserved, or values and shape disagree.</exception>
    public static void Write(Stream stream, IReadOnlyList<FloatTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        Check(tensors);
        byte[] json = Header(tensors, metadata);
        int padding = -json.Length & 7;
        Span<byte> length = stackalloc byte[SafetensorsHeader.LengthBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)(json.Length + padding));
        stream.Write(length);
        stream.Write(json);
        stream.Write("       "u8[..padding]);
        foreach (var tensor in tensors) WriteValues(stream.Write, tensor.Values.Span);
    }

    /// <summary>A function that takes bytes.</summary>
    internal delegate void ByteSink(ReadOnlySpan<byte> bytes);

    /// <summary>The values as little-endian bytes.</summary>
    internal static void WriteValues(ByteSink sink, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            for (int i = 0; i < values.Length; i += ChunkFloats) sink(MemoryMarshal.AsBytes(values[i..Math.Min(values.Length, i + ChunkFloats)]));
            return;
        }
        Span<byte> four = stackalloc byte[4];
        foreach (float value in values)
        {
            BinaryPrimitives.WriteSingleLittleEndian(four, value);
            sink(four);
        }
    }

    private static void Check(IReadOnlyList<FloatTensor> tensors)
    {
        var names = new HashSet<string> { SafetensorsHeader.MetadataName };
        foreach (var (name, shape, values) in tensors)
        {
            if (!names.Add(name)) throw new ArgumentException($"The tensor name '{name}' occurs twice or is reserved; give every tensor a name of its own.", nameof(tensors));
            long length = shape.Aggregate(1L, (product, edge) => checked(product * edge));
            if (length != values.Length || shape.Any(edge => edge < 0))
                throw new ArgumentException($"{name}: shape ({string.Join(", ", shape)}) needs {length} values, {values.Length} are given.", nameof(tensors));
        }
    }

    private static byte[] Header(IReadOnlyList<FloatTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach (var (key, value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long place = 0;
            foreach (var (name, shape, values) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                foreach (int edge in shape) json.WriteNumberValue(edge);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(place);
                json.WriteNumberValue(place += 4L * values.Length);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }
}

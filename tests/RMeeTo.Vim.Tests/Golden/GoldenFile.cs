using System.Buffers.Binary;
using System.Text.Json;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>A safetensors file read the plain way, every dtype as double; independent of the product's reader.</summary>
internal sealed class GoldenFile
{
    private readonly byte[] _bytes;
    private readonly JsonElement _header;
    private readonly long _dataStart;

    public GoldenFile(string path)
    {
        _bytes = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(_bytes);
        _header = JsonDocument.Parse(_bytes.AsMemory(8, length)).RootElement;
        _dataStart = 8 + length;
    }

    public IEnumerable<string> Names => _header.EnumerateObject().Select(p => p.Name).Where(n => n != "__metadata__");

    public bool Contains(string name) => _header.TryGetProperty(name, out _);

    public int[] Shape(string name) => [.. _header.GetProperty(name).GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>The text of a metadata entry.</summary>
    public string Metadata(string name) => _header.GetProperty("__metadata__").GetProperty(name).GetString()!;

    public float[] Floats(string name) => Array.ConvertAll(this[name], v => (float)v);

    public int[] Integers(string name) => Array.ConvertAll(this[name], v => (int)v);

    public double[] this[string name]
    {
        get
        {
            var entry = _header.GetProperty(name);
            long begin = _dataStart + entry.GetProperty("data_offsets")[0].GetInt64(), end = _dataStart + entry.GetProperty("data_offsets")[1].GetInt64();
            var data = _bytes.AsSpan((int)begin, (int)(end - begin));
            string type = entry.GetProperty("dtype").GetString()!;
            var values = new double[data.Length / (type == "F64" ? 8 : 4)];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = type switch
                {
                    "F32" => BinaryPrimitives.ReadSingleLittleEndian(data[(4 * i)..]),
                    "F64" => BinaryPrimitives.ReadDoubleLittleEndian(data[(8 * i)..]),
                    "I32" => BinaryPrimitives.ReadInt32LittleEndian(data[(4 * i)..]),
                    _ => throw new InvalidDataException($"Golden file with dtype {type}."),
                };
            }
            return values;
        }
    }
}

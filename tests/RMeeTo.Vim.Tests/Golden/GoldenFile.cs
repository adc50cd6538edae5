using System.Runtime.InteropServices;
using System.Text.Json;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>One recorded tensor.</summary>
/// <param name="Shape">Edges; empty for a single number.</param>
/// <param name="Values">Row-major.</param>
internal sealed record GoldenTensor(int[] Shape, double[] Values);

/// <summary>A safetensors file of recorded data, read whole. A reader of its own, so that the product's reader is not the judge of itself.</summary>
internal sealed class GoldenFile
{
    private readonly byte[] _bytes;
    private readonly int _dataStart;
    private readonly Dictionary<string, JsonElement> _header;

    public GoldenFile(string path)
    {
        _bytes = File.ReadAllBytes(path);
        _dataStart = 8 + (int)BitConverter.ToInt64(_bytes);
        _header = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(_bytes.AsSpan(8, _dataStart - 8))!;
    }

    /// <summary>Names of all tensors.</summary>
    public IEnumerable<string> Names => _header.Keys;

    public bool Has(string name) => _header.ContainsKey(name);

    public GoldenTensor this[string name]
    {
        get
        {
            JsonElement entry = _header[name], range = entry.GetProperty("data_offsets");
            var data = _bytes.AsSpan((_dataStart + range[0].GetInt32())..(_dataStart + range[1].GetInt32()));
            double[] values = entry.GetProperty("dtype").GetString() switch
            {
                "F32" => [.. MemoryMarshal.Cast<byte, float>(data).ToArray().Select(v => (double)v)],
                "F64" => MemoryMarshal.Cast<byte, double>(data).ToArray(),
                "I32" => [.. MemoryMarshal.Cast<byte, int>(data).ToArray().Select(v => (double)v)],
                var other => throw new NotSupportedException($"{name} has type {other}."),
            };
            return new([.. entry.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())], values);
        }
    }
}

internal static class GoldenFileExtensions
{
    public static float[] Floats(this GoldenFile file, string name) => Array.ConvertAll(file[name].Values, value => (float)value);

    public static int[] Integers(this GoldenFile file, string name) => Array.ConvertAll(file[name].Values, value => (int)value);
}

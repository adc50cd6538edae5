using System.Text.Json;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// A JSON object in a model file's metadata. Every field taken must be there, and every field there must have been taken: an unknown one is from a newer
/// version, and leaving it out could change results.
/// </summary>
internal sealed class MetadataFields
{
    private readonly Dictionary<string, JsonElement> _left = [];
    private readonly string _source;
    private readonly string _key;

    /// <summary>Parses the object.</summary>
    /// <exception cref="CheckpointFormatException">The key is missing, or its text is not a JSON object.</exception>
    public MetadataFields(ICheckpointSource source, string key)
    {
        (_source, _key) = (source.Name, key);
        var root = Parse(source, key);
        if (root.ValueKind != JsonValueKind.Object) throw Bad(source.Name, $"{key} is not an object");
        foreach (var property in root.EnumerateObject()) _left.Add(property.Name, property.Value);
    }

    /// <summary>The JSON text of a metadata entry.</summary>
    public static JsonElement Parse(ICheckpointSource source, string key)
    {
        if (!source.Metadata.TryGetValue(key, out string? text)) throw Bad(source.Name, $"its metadata lack '{key}'");
        try
        {
            return JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = 4, AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            throw Bad(source.Name, $"its metadata '{key}' are not valid JSON ({e.Message})");
        }
    }

    /// <summary>True where a field is there and not taken yet: for those that are written only where they are not at their default.</summary>
    public bool Has(string name) => _left.ContainsKey(name);

    /// <summary>A whole number of up to 64 bits, not negative.</summary>
    public ulong UInt64(string name) => Take(name, "a whole number", e => e.ValueKind == JsonValueKind.Number && e.TryGetUInt64(out ulong value) ? value : (ulong?)null);

    /// <summary>A whole number.</summary>
    public int Int(string name) => Take(name, "a whole number", AsInt);

    /// <summary>A number.</summary>
    public double Double(string name) => Take(name, "a number", e => e.ValueKind == JsonValueKind.Number && e.TryGetDouble(out double value) ? value : (double?)null);

    /// <summary>A single-precision number.</summary>
    public float Float(string name) => Take(name, "a number", AsFloat);

    /// <summary>True or false.</summary>
    public bool Bool(string name) => Take(name, "true or false", e => e.ValueKind is JsonValueKind.True or JsonValueKind.False ? e.GetBoolean() : (bool?)null);

    /// <summary>The name of an enum's value.</summary>
    public T Enum<T>(string name) where T : struct, Enum =>
        Take(name, "one of " + string.Join(", ", System.Enum.GetNames<T>()), e => e.ValueKind == JsonValueKind.String && System.Enum.GetNames<T>().Contains(e.GetString()) ? System.Enum.Parse<T>(e.GetString()!) : (T?)null);

    /// <summary>Whole numbers.</summary>
    public int[] Ints(string name) => List(name, "a list of whole numbers", AsInt);

    /// <summary>Single-precision numbers.</summary>
    public float[] Floats(string name) => List(name, "a list of numbers", AsFloat);

    /// <summary>Call when everything known has been taken.</summary>
    /// <exception cref="CheckpointFormatException">A field is left.</exception>
    public void End()
    {
        if (_left.Count > 0) throw Newer(_source, $"{_key} has the field {SafetensorsHeader.Show(_left.Keys.First())}, which this version does not know");
    }

    /// <summary>An exception for a file that this version cannot read but a newer one could.</summary>
    public static CheckpointFormatException Newer(string source, string what) => new($"{source} was written by a newer version of RMeeTo.Vim: {what}. Update the RMeeTo.Vim package.");

    /// <summary>An exception for a damaged file.</summary>
    public static CheckpointFormatException Bad(string source, string what) => new($"{source} is not a sound model file: {what}. Get a fresh copy of the file.");

    private static int? AsInt(JsonElement e) => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out int value) ? value : null;

    private static float? AsFloat(JsonElement e) => e.ValueKind == JsonValueKind.Number && e.TryGetSingle(out float value) ? value : null;

    private T[] List<T>(string name, string kind, Func<JsonElement, T?> read) where T : struct
    {
        if (!_left.Remove(name, out var element) || element.ValueKind != JsonValueKind.Array) throw Bad(_source, $"{_key}.{name} is not {kind}");
        return [.. element.EnumerateArray().Select(e => read(e) ?? throw Bad(_source, $"{_key}.{name} is not {kind}"))];
    }

    private T Take<T>(string name, string kind, Func<JsonElement, T?> read) where T : struct =>
        _left.Remove(name, out var element) && read(element) is { } value ? value : throw Bad(_source, $"{_key}.{name} is not {kind}");
}

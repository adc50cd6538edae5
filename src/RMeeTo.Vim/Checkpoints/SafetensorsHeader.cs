using System.Text.Json;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// The JSON header of a safetensors file, checked: every tensor has a known type, its bytes are as many as its shape needs, and the tensors fill the data part
/// from its first to its last byte without overlap. Nothing in it is trusted before that.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Bytes of the length field in front of the header.</summary>
    public const int LengthBytes = 8;

    /// <summary>The format's own limit.</summary>
    public const long MaxBytes = 100_000_000;

    /// <summary>The reserved name of the text dictionary.</summary>
    public const string MetadataName = "__metadata__";

    private const int MaxTensors = 1 << 16;
    private const int MaxRank = 8;

    private readonly string _source;

    private SafetensorsHeader(string source) => _source = source;

    /// <summary>A tensor and the place of its bytes in the data part.</summary>
    public readonly record struct Entry(CheckpointTensor Tensor, long Begin, long End);

    /// <summary>By place in the file.</summary>
    public List<Entry> Entries { get; } = [];

    /// <summary>Texts beside the tensors.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>Bytes of the data part that the tensors need.</summary>
    public long DataLength => Entries.Count == 0 ? 0 : Entries[^1].End;

    /// <summary>Parses and checks.</summary>
    /// <param name="json">The header's bytes.</param>
    /// <param name="source">The file's name, for messages.</param>
    /// <exception cref="CheckpointFormatException">Anything is wrong.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, string source)
    {
        var header = new SafetensorsHeader(source);
        if (json.IsEmpty || json[0] != (byte)'{')
            throw header.Bad($"the header starts with {(json.IsEmpty ? "nothing" : $"byte 0x{json[0]:X2}")} instead of '{{'");
        try
        {
            header.ReadRoot(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a name that is not valid UTF-8.
            throw header.Bad("the header is not valid JSON of at most three levels (" + e.Message + ")", e);
        }
        header.CheckPlaces();
        return header;
    }

    /// <summary>The file's word for a type.</summary>
    public static CheckpointDataType? TypeOf(string word) => word switch
    {
        "BOOL" => CheckpointDataType.Bool,
        "U8" => CheckpointDataType.UInt8,
        "I8" => CheckpointDataType.Int8,
        "F8_E5M2" => CheckpointDataType.Float8E5M2,
        "F8_E4M3" => CheckpointDataType.Float8E4M3,
        "I16" => CheckpointDataType.Int16,
        "U16" => CheckpointDataType.UInt16,
        "F16" => CheckpointDataType.Float16,
        "BF16" => CheckpointDataType.BFloat16,
        "I32" => CheckpointDataType.Int32,
        "U32" => CheckpointDataType.UInt32,
        "F32" => CheckpointDataType.Float32,
        "I64" => CheckpointDataType.Int64,
        "U64" => CheckpointDataType.UInt64,
        "F64" => CheckpointDataType.Float64,
        _ => null,
    };

    /// <summary>A name as messages show it: short, without control characters.</summary>
    public static string Show(string name)
    {
        string text = name.Length <= 80 ? name : name[..80] + "…";
        return "'" + string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) + "'";
    }

    private void ReadRoot(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 3 });
        var names = new HashSet<string>();
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            if (!names.Add(name)) throw Bad($"{Show(name)} occurs twice");
            reader.Read();
            if (name == MetadataName) ReadMetadata(ref reader);
            else if (Entries.Count < MaxTensors) Entries.Add(ReadTensor(name, ref reader));
            else throw Bad($"it lists more than {MaxTensors} tensors");
        }
        reader.Read(); // throws where anything but white space follows
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Bad($"{MetadataName} is not an object");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Bad($"{MetadataName} {Show(key)} is not a text");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Bad($"{MetadataName} {Show(key)} occurs twice");
        }
    }

    private Entry ReadTensor(string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Bad($"the entry of tensor {Show(name)} is not an object");
        (string? type, long[]? shape, long[]? offsets) = (null, null, null);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string field = reader.GetString()!;
            reader.Read();
            bool again = field switch { "dtype" => type != null, "shape" => shape != null, "data_offsets" => offsets != null, _ => false };
            if (again) throw Bad($"tensor {Show(name)} has two fields {Show(field)}");
            if (field == "dtype") type = reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw Bad($"the dtype of tensor {Show(name)} is not a text");
            else if (field == "shape") shape = ReadNumbers(name, field, MaxRank, ref reader);
            else if (field == "data_offsets") offsets = ReadNumbers(name, field, 2, ref reader);
            else throw Bad($"tensor {Show(name)} has an unknown field {Show(field)}");
        }
        if (type == null || shape == null || offsets == null)
            throw Bad($"tensor {Show(name)} lacks its {(type == null ? "dtype" : shape == null ? "shape" : "data_offsets")}");
        return Check(name, type, shape, offsets);
    }

    private long[] ReadNumbers(string name, string field, int most, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Bad($"the {field} of tensor {Show(name)} is not a list");
        var numbers = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw Bad($"the {field} of tensor {Show(name)} contains something other than a whole number from 0 to 2⁶³−1");
            if (numbers.Count == most) throw Bad($"the {field} of tensor {Show(name)} has more than {most} numbers");
            numbers.Add(number);
        }
        return [.. numbers];
    }

    private Entry Check(string name, string typeWord, long[] shape, long[] offsets)
    {
        var type = TypeOf(typeWord) ?? throw Bad($"tensor {Show(name)} has the unknown dtype {Show(typeWord)}");
        if (offsets.Length != 2 || offsets[1] < offsets[0])
            throw Bad($"the data_offsets of tensor {Show(name)} are [{string.Join(", ", offsets)}]; they must be a begin and an end that is not before it");
        // An edge of 0 hides the product of the others, which whoever multiplies them in another order meets before it.
        Int128 withoutZeros = StoredNumbers.SizeOf(type);
        foreach (long edge in shape)
        {
            withoutZeros *= Math.Max(1, edge);
            if (withoutZeros > long.MaxValue) throw Bad($"tensor {Show(name)} of shape ({string.Join(", ", shape)}) is too large for any file");
        }
        Int128 bytes = shape.Contains(0) ? 0 : withoutZeros;
        if (offsets[1] - offsets[0] != bytes)
            throw Bad($"tensor {Show(name)}: shape ({string.Join(", ", shape)}) of {typeWord} needs {bytes} bytes, data_offsets give it {offsets[1] - offsets[0]}");
        return new(new(name, type, shape), offsets[0], offsets[1]);
    }

    private void CheckPlaces()
    {
        Entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long place = 0;
        foreach (var entry in Entries)
        {
            if (entry.Begin < place) throw Bad($"tensor {Show(entry.Tensor.Name)} begins at {entry.Begin}, inside the tensor before it, which ends at {place}");
            if (entry.Begin > place) throw Bad($"there is a hole from {place} to {entry.Begin} before tensor {Show(entry.Tensor.Name)}");
            place = entry.End;
        }
    }

    private CheckpointFormatException Bad(string what, Exception? cause = null) =>
        new($"{_source} is not a sound safetensors file: {what}. Get a fresh copy of the file.", cause);
}

using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// How the files of one kind of model say in their metadata what belongs to the tensors, all under keys "rmeeto.…". Version, configuration and merges stand
/// under keys of the kind's own, so that no kind is taken for another; class names, preprocessing and hash are written alike by all.
/// </summary>
/// <remarks>
/// Format version 1 must be readable for ever: fields are never renamed. A new option is written as a new field, and only where it is not at its default, so
/// that older versions still read files that do not use it; a change of meaning raises the version.
/// </remarks>
/// <param name="Version">The newest version that is read, and the one that is written.</param>
/// <param name="VersionKey">Key of the version; a file without it is of another kind, or holds plain weights.</param>
/// <param name="ConfigKey">Key of the configuration.</param>
/// <param name="MergingKey">Key of the merges.</param>
internal sealed record ModelFormat(int Version, string VersionKey, string ConfigKey, string MergingKey)
{
    private const string ClassesKey = "rmeeto.classes";
    private const string PreprocessingKey = "rmeeto.preprocessing";
    private const string HashKey = "rmeeto.sha256";

    private static readonly JsonSerializerOptions s_readableText = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The metadata of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="writeMerging">Adds its merge options.</param>
    public Dictionary<string, string> Write(ClassifierModel model, JsonObject config, Action<JsonObject> writeMerging)
    {
        var merging = new JsonObject { ["removedPerBlock"] = new JsonArray([.. model.RemovedPerBlock.Select(n => (JsonNode)n)]) };
        writeMerging(merging);
        return new()
        {
            [VersionKey] = Version.ToString(CultureInfo.InvariantCulture),
            [ConfigKey] = config.ToJsonString(),
            [ClassesKey] = JsonSerializer.Serialize(model.ClassNames, s_readableText),
            [MergingKey] = merging.ToJsonString(),
            [PreprocessingKey] = Write(model.Preprocessing),
            [HashKey] = Hash(model.Weights),
        };
    }

    /// <summary>Refuses files of another kind and of a newer version.</summary>
    /// <param name="source">The file.</param>
    /// <param name="foreign">What to say of a file of another kind.</param>
    /// <exception cref="CheckpointMismatchException">A file of another kind.</exception>
    /// <exception cref="CheckpointFormatException">A newer version, or none at all.</exception>
    public void CheckVersion(ICheckpointSource source, string foreign)
    {
        if (!source.Metadata.TryGetValue(VersionKey, out string? text)) throw new CheckpointMismatchException(foreign);
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int version) || version < 1)
            throw MetadataFields.Bad(source.Name, $"its '{VersionKey}' is {SafetensorsHeader.Show(text)}, not a version number");
        if (version > Version) throw MetadataFields.Newer(source.Name, $"its format is {version}, this version reads up to {Version}");
    }

    /// <summary>Reads a model; a value out of range, or parts that contradict each other, are then the file's fault, not the caller's.</summary>
    /// <exception cref="CheckpointFormatException">The file is not a sound model file.</exception>
    public static TModel Read<TModel>(ICheckpointSource source, Func<ICheckpointSource, TModel> read)
    {
        try
        {
            return read(source);
        }
        catch (Exception e) when (e is ArgumentException or CheckpointMismatchException)
        {
            throw new CheckpointFormatException($"{source.Name} is not a sound model file: {e.Message}", e);
        }
    }

    /// <summary>The error of a file whose configuration is not that of its tensors.</summary>
    public static CheckpointFormatException ConfigContradictsTensors(ICheckpointSource source) =>
        MetadataFields.Bad(source.Name, "the configuration in its metadata contradicts the shapes of its tensors");

    /// <summary>The class names.</summary>
    public static IReadOnlyList<string> ReadClassNames(ICheckpointSource source) =>
        FindClassNames(source) ?? throw MetadataFields.Bad(source.Name, "its metadata lack the class names");

    /// <summary>The class names, or null where there are none.</summary>
    public static IReadOnlyList<string>? FindClassNames(ICheckpointSource source)
    {
        if (!source.Metadata.ContainsKey(ClassesKey)) return null;
        var list = MetadataFields.Parse(source, ClassesKey);
        if (list.ValueKind != JsonValueKind.Array) throw MetadataFields.Bad(source.Name, $"{ClassesKey} is not a list");
        return [.. list.EnumerateArray().Select(e =>
            e.ValueKind == JsonValueKind.String ? e.GetString()! : throw MetadataFields.Bad(source.Name, $"{ClassesKey} is not a list of texts"))];
    }

    /// <summary>How images are prepared.</summary>
    public static EvaluationPreprocessing ReadPreprocessing(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, PreprocessingKey);
        float[] mean = fields.Floats("mean"), std = fields.Floats("std");
        if (mean.Length != 3 || std.Length != 3)
            throw MetadataFields.Bad(source.Name, $"{PreprocessingKey} has {mean.Length} means and {std.Length} deviations; there are 3 colours");
        var preprocessing = new EvaluationPreprocessing
        {
            ImageHeight = fields.Int("imageHeight"),
            ImageWidth = fields.Int("imageWidth"),
            CropRatio = fields.Double("cropRatio"),
            Normalization = new(new(mean[0], mean[1], mean[2]), new(std[0], std[1], std[2])),
        };
        fields.End();
        return preprocessing;
    }

    /// <summary>Checks that the weights are those that were saved.</summary>
    public static void CheckHash(ICheckpointSource source, NetworkWeights weights)
    {
        if (!source.Metadata.TryGetValue(HashKey, out string? expected)) throw MetadataFields.Bad(source.Name, $"its metadata lack '{HashKey}'");
        string found = Hash(weights);
        if (!found.Equals(expected, StringComparison.OrdinalIgnoreCase))
            throw MetadataFields.Bad(source.Name, $"its weights have the SHA-256 {found}, its metadata say {SafetensorsHeader.Show(expected)}; they were "
                + "damaged or edited");
    }

    /// <summary>SHA-256 over all values as little-endian single-precision numbers in official order, whatever the order of the file.</summary>
    private static string Hash(NetworkWeights weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in weights.Parameters.All) SafetensorsWriter.WriteValues(hash.AppendData, weights[parameter]);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Write(EvaluationPreprocessing preprocessing) => new JsonObject
    {
        ["imageHeight"] = preprocessing.ImageHeight,
        ["imageWidth"] = preprocessing.ImageWidth,
        ["cropRatio"] = preprocessing.CropRatio,
        ["mean"] = Write(preprocessing.Mean),
        ["std"] = Write(preprocessing.Std),
    }.ToJsonString();

    private static JsonArray Write(ChannelValues values) => new(values.Red, values.Green, values.Blue);
}

using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// What a <see cref="VimModel"/> file says in its metadata beside the tensors, all under keys "rmeeto.…". Format version 1 must be readable for ever: fields are never renamed.
/// A new option is written as a new field, and only where it is not at its default, so that older versions still read files that do not use it; a change of meaning raises the version.
/// </summary>
internal static class VimModelMetadata
{
    /// <summary>The newest version that is read, and the one that is written.</summary>
    public const int Version = 1;

    /// <summary>Key of the version; a file without it holds plain weights.</summary>
    public const string FormatKey = "rmeeto.format";

    private const string ConfigKey = "rmeeto.config";
    internal const string ClassesKey = "rmeeto.classes";
    private const string MergingKey = "rmeeto.merging";
    internal const string PreprocessingKey = "rmeeto.preprocessing";
    internal const string HashKey = "rmeeto.sha256";

    internal static readonly JsonSerializerOptions ReadableText = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The metadata of a model.</summary>
    public static Dictionary<string, string> Write(VimModel model) => new()
    {
        [FormatKey] = Version.ToString(CultureInfo.InvariantCulture),
        [ConfigKey] = Write(model.Config),
        [ClassesKey] = JsonSerializer.Serialize(model.ClassNames, ReadableText),
        [MergingKey] = Write(model.Schedule, model.Merging),
        [PreprocessingKey] = Write(model.Preprocessing),
        [HashKey] = Hash(model.Weights),
    };

    /// <summary>Refuses files without our metadata and files of a newer version.</summary>
    /// <exception cref="CheckpointMismatchException">A plain state dict.</exception>
    /// <exception cref="CheckpointFormatException">A newer version, or none at all.</exception>
    public static void CheckVersion(ICheckpointSource source)
    {
        if (!source.Metadata.TryGetValue(FormatKey, out string? text))
            throw new CheckpointMismatchException(source.Metadata.ContainsKey(Deit.DeitModelMetadata.FormatKey)
                ? $"{source.Name} holds a DeiT; DeitModel.Load loads it."
                : $"{source.Name} holds tensors but no '{FormatKey}' in its metadata: plain weights, such as the official ones. Open it with Checkpoint.Open, "
                    + "load it with VimCheckpoint.Load and make a VimModel of the weights.");
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int version) || version < 1) throw MetadataFields.Bad(source.Name, $"its '{FormatKey}' is {SafetensorsHeader.Show(text)}, not a version number");
        if (version > Version) throw MetadataFields.Newer(source.Name, $"its format is {version}, this version reads up to {Version}");
    }

    /// <summary>The configuration.</summary>
    public static VimConfig ReadConfig(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, ConfigKey);
        var config = new VimConfig
        {
            ImageHeight = fields.Int("imageHeight"),
            ImageWidth = fields.Int("imageWidth"),
            PatchSize = fields.Int("patchSize"),
            Stride = fields.Int("stride"),
            Width = fields.Int("width"),
            Depth = fields.Int("depth"),
            StateSize = fields.Int("stateSize"),
            ConvolutionWidth = fields.Int("convolutionWidth"),
            Expansion = fields.Int("expansion"),
            Classes = fields.Int("classes"),
            AverageDirections = fields.Bool("averageDirections"),
            ClassToken = fields.Enum<ClassTokenPosition>("classToken"),
            Norm = fields.Enum<NormKind>("norm"),
            NormEpsilon = fields.Float("normEpsilon"),
            LayerScale = fields.Bool("layerScale"),
        };
        if (fields.Has("pooling")) config = config with { Pooling = fields.Enum<TokenPooling>("pooling") };
        if (fields.Has("projectionBias")) config = config with { ProjectionBias = fields.Bool("projectionBias") };
        if (fields.Has("frames")) config = config with { Frames = fields.Int("frames") };
        if (fields.Has("tubeletSize")) config = config with { TubeletSize = fields.Int("tubeletSize") };
        int rank = fields.Int("timeStepRank");
        fields.End();
        return rank == config.TimeStepRank ? config : config with { TimeStepRank = rank };
    }

    /// <summary>The class names, or null where there are none.</summary>
    public static IReadOnlyList<string>? ReadClassNames(ICheckpointSource source)
    {
        if (!source.Metadata.ContainsKey(ClassesKey)) return null;
        var list = MetadataFields.Parse(source, ClassesKey);
        if (list.ValueKind != JsonValueKind.Array) throw MetadataFields.Bad(source.Name, $"{ClassesKey} is not a list");
        return [.. list.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? e.GetString()! : throw MetadataFields.Bad(source.Name, $"{ClassesKey} is not a list of texts"))];
    }

    /// <summary>What is merged where, and how.</summary>
    public static (MergeSchedule Schedule, MergeOptions Merging) ReadMerging(ICheckpointSource source, VimConfig config)
    {
        var fields = new MetadataFields(source, MergingKey);
        int[] removed = fields.Ints("removedPerBlock");
        var merging = MergingFields.Read(fields);
        fields.End();
        return (MergeSchedule.Custom(config, removed, merging), merging);
    }

    /// <summary>How images are prepared.</summary>
    public static EvaluationPreprocessing ReadPreprocessing(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, PreprocessingKey);
        float[] mean = fields.Floats("mean"), std = fields.Floats("std");
        if (mean.Length != 3 || std.Length != 3) throw MetadataFields.Bad(source.Name, $"{PreprocessingKey} has {mean.Length} means and {std.Length} deviations; there are 3 colours");
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
            throw MetadataFields.Bad(source.Name, $"its weights have the SHA-256 {found}, its metadata say {SafetensorsHeader.Show(expected)}; they were damaged or edited");
    }

    /// <summary>SHA-256 over all values as little-endian single-precision numbers in official order, whatever the order of the file.</summary>
    internal static string Hash(NetworkWeights weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in weights.Parameters.All) SafetensorsWriter.WriteValues(hash.AppendData, weights[parameter]);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Write(VimConfig config)
    {
        var fields = new JsonObject
        {
            ["imageHeight"] = config.ImageHeight,
            ["imageWidth"] = config.ImageWidth,
            ["patchSize"] = config.PatchSize,
            ["stride"] = config.Stride,
            ["width"] = config.Width,
            ["depth"] = config.Depth,
            ["stateSize"] = config.StateSize,
            ["convolutionWidth"] = config.ConvolutionWidth,
            ["expansion"] = config.Expansion,
            ["timeStepRank"] = config.TimeStepRank,
            ["classes"] = config.Classes,
            ["averageDirections"] = config.AverageDirections,
            ["classToken"] = config.ClassToken.ToString(),
            ["norm"] = config.Norm.ToString(),
            ["normEpsilon"] = config.NormEpsilon,
            ["layerScale"] = config.LayerScale,
        };
        if (config.Pooling != TokenPooling.Mean) fields["pooling"] = config.Pooling.ToString();
        if (config.ProjectionBias) fields["projectionBias"] = true;
        if (config.IsVideo) fields["frames"] = config.Frames;
        if (config.TubeletSize != 1) fields["tubeletSize"] = config.TubeletSize;
        return fields.ToJsonString();
    }

    private static string Write(MergeSchedule schedule, MergeOptions merging)
    {
        var fields = new JsonObject { ["removedPerBlock"] = new JsonArray([.. schedule.RemovedPerBlock.Select(n => (JsonNode)n)]) };
        MergingFields.Write(fields, merging);
        return fields.ToJsonString();
    }

    internal static string Write(EvaluationPreprocessing preprocessing) => new JsonObject
    {
        ["imageHeight"] = preprocessing.ImageHeight,
        ["imageWidth"] = preprocessing.ImageWidth,
        ["cropRatio"] = preprocessing.CropRatio,
        ["mean"] = Write(preprocessing.Mean),
        ["std"] = Write(preprocessing.Std),
    }.ToJsonString();

    private static JsonArray Write(ChannelValues values) => new(values.Red, values.Green, values.Blue);
}

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// What a <see cref="DeitModel"/> file says in its metadata beside the tensors. Class names, preprocessing and hash are written as a <see cref="VimModel"/>
/// writes them; the
/// format key is another, so that neither is taken for the other. The rules for new fields are those of <see cref="VimModelMetadata"/>.
/// </summary>
internal static class DeitModelMetadata
{
    /// <summary>The newest version that is read, and the one that is written.</summary>
    public const int Version = 1;

    /// <summary>Key of the version.</summary>
    public const string FormatKey = "rmeeto.deit.format";

    private const string ConfigKey = "rmeeto.deit.config";
    private const string MergingKey = "rmeeto.deit.merging";

    /// <summary>The metadata of a model.</summary>
    public static Dictionary<string, string> Write(DeitModel model) => new()
    {
        [FormatKey] = Version.ToString(CultureInfo.InvariantCulture),
        [ConfigKey] = Write(model.Config),
        [VimModelMetadata.ClassesKey] = JsonSerializer.Serialize(model.ClassNames, VimModelMetadata.ReadableText),
        [MergingKey] = Write(model.Schedule, model.Merging),
        [VimModelMetadata.PreprocessingKey] = VimModelMetadata.Write(model.Preprocessing),
        [VimModelMetadata.HashKey] = VimModelMetadata.Hash(model.Weights),
    };

    /// <summary>Refuses files without our metadata and files of a newer version.</summary>
    /// <exception cref="CheckpointMismatchException">Another kind of file.</exception>
    /// <exception cref="CheckpointFormatException">A newer version, or none at all.</exception>
    public static void CheckVersion(ICheckpointSource source)
    {
        if (!source.Metadata.TryGetValue(FormatKey, out string? text))
            throw new CheckpointMismatchException(source.Metadata.ContainsKey(VimModelMetadata.FormatKey)
                ? $"{source.Name} holds a Vision Mamba; VimModel.Load loads it."
                : $"{source.Name} holds tensors but no '{FormatKey}' in its metadata: plain weights, such as the official ones. Load them with "
                    + "DeitCheckpoint.Load and make a DeitModel of them.");
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int version) || version < 1)
            throw MetadataFields.Bad(source.Name, $"its '{FormatKey}' is {SafetensorsHeader.Show(text)}, not a version number");
        if (version > Version) throw MetadataFields.Newer(source.Name, $"its format is {version}, this version reads up to {Version}");
    }

    /// <summary>The configuration.</summary>
    public static DeitConfig ReadConfig(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, ConfigKey);
        var config = new DeitConfig
        {
            ImageHeight = fields.Int("imageHeight"),
            ImageWidth = fields.Int("imageWidth"),
            PatchSize = fields.Int("patchSize"),
            Width = fields.Int("width"),
            Depth = fields.Int("depth"),
            Heads = fields.Int("heads"),
            MlpRatio = fields.Int("mlpRatio"),
            Classes = fields.Int("classes"),
            NormEpsilon = fields.Float("normEpsilon"),
        };
        fields.End();
        return config.Validate();
    }

    /// <summary>What is merged where, and how.</summary>
    public static (DeitMergeSchedule Schedule, DeitMergeOptions Merging) ReadMerging(ICheckpointSource source, DeitConfig config)
    {
        var fields = new MetadataFields(source, MergingKey);
        int[] removed = fields.Ints("removedPerBlock");
        var merging = new DeitMergeOptions
        {
            Metric = fields.Enum<DeitMetric>("metric"),
            Distance = fields.Enum<MergeDistance>("distance"),
            Reduction = fields.Enum<MergeReduction>("reduction"),
            Order = fields.Enum<MergeOrder>("order"),
        };
        fields.End();
        return (DeitMergeSchedule.Custom(config, removed), merging);
    }

    private static string Write(DeitConfig config) => new JsonObject
    {
        ["imageHeight"] = config.ImageHeight,
        ["imageWidth"] = config.ImageWidth,
        ["patchSize"] = config.PatchSize,
        ["width"] = config.Width,
        ["depth"] = config.Depth,
        ["heads"] = config.Heads,
        ["mlpRatio"] = config.MlpRatio,
        ["classes"] = config.Classes,
        ["normEpsilon"] = config.NormEpsilon,
    }.ToJsonString();

    private static string Write(DeitMergeSchedule schedule, DeitMergeOptions merging) => new JsonObject
    {
        ["removedPerBlock"] = new JsonArray([.. schedule.RemovedPerBlock.Select(n => (JsonNode)n)]),
        ["metric"] = merging.Metric.ToString(),
        ["distance"] = merging.Distance.ToString(),
        ["reduction"] = merging.Reduction.ToString(),
        ["order"] = merging.Order.ToString(),
    }.ToJsonString();
}

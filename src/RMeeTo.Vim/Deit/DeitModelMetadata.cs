using System.Text.Json.Nodes;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Deit;

/// <summary>What a <see cref="DeitModel"/> file says in its metadata beside the tensors; <see cref="ModelFormat"/> has the rules for new fields.</summary>
internal static class DeitModelMetadata
{
    /// <summary>Key of the version.</summary>
    public const string FormatKey = "rmeeto.deit.format";

    private static readonly ModelFormat s_format = new(1, FormatKey, "rmeeto.deit.config", "rmeeto.deit.merging");

    /// <summary>The metadata of a model.</summary>
    public static Dictionary<string, string> Write(DeitModel model) =>
        s_format.Write(model, Write(model.Config), fields => Write(fields, model.Merging));

    /// <summary>Refuses files without our metadata and files of a newer version.</summary>
    /// <exception cref="CheckpointMismatchException">Another kind of file.</exception>
    /// <exception cref="CheckpointFormatException">A newer version, or none at all.</exception>
    public static void CheckVersion(ICheckpointSource source) => s_format.CheckVersion(source, source.Metadata.ContainsKey(VimModelMetadata.FormatKey)
        ? $"{source.Name} holds a Vision Mamba; VimModel.Load loads it."
        : $"{source.Name} holds tensors but no '{FormatKey}' in its metadata: plain weights, such as the official ones. Load them with DeitCheckpoint.Load and "
            + "make a DeitModel of them.");

    /// <summary>The configuration.</summary>
    public static DeitConfig ReadConfig(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, s_format.ConfigKey);
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
        var fields = new MetadataFields(source, s_format.MergingKey);
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

    private static JsonObject Write(DeitConfig config) => new JsonObject
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
    };

    private static void Write(JsonObject fields, DeitMergeOptions merging)
    {
        fields["metric"] = merging.Metric.ToString();
        fields["distance"] = merging.Distance.ToString();
        fields["reduction"] = merging.Reduction.ToString();
        fields["order"] = merging.Order.ToString();
    }
}

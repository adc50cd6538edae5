using System.Text.Json.Nodes;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>What a <see cref="VimModel"/> file says in its metadata beside the tensors; <see cref="ModelFormat"/> has the rules for new fields.</summary>
internal static class VimModelMetadata
{
    /// <summary>Key of the version; a file without it holds plain weights, or another kind of network.</summary>
    public const string FormatKey = "rmeeto.format";

    private static readonly ModelFormat s_format = new(1, FormatKey, "rmeeto.config", "rmeeto.merging");

    /// <summary>The metadata of a model.</summary>
    public static Dictionary<string, string> Write(VimModel model) =>
        s_format.Write(model, Write(model.Config), fields => MergingFields.Write(fields, model.Merging));

    /// <summary>Refuses files without our metadata and files of a newer version.</summary>
    /// <exception cref="CheckpointMismatchException">A plain state dict.</exception>
    /// <exception cref="CheckpointFormatException">A newer version, or none at all.</exception>
    public static void CheckVersion(ICheckpointSource source) => s_format.CheckVersion(source,
        source.Metadata.ContainsKey(Deit.DeitModelMetadata.FormatKey)
            ? $"{source.Name} holds a DeiT; DeitModel.Load loads it."
            : $"{source.Name} holds tensors but no '{FormatKey}' in its metadata: plain weights, such as the official ones. Open it with Checkpoint.Open, "
                + "load it with VimCheckpoint.Load and make a VimModel of the weights.");

    /// <summary>The configuration.</summary>
    public static VimConfig ReadConfig(ICheckpointSource source)
    {
        var fields = new MetadataFields(source, s_format.ConfigKey);
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

    /// <summary>What is merged where, and how.</summary>
    public static (MergeSchedule Schedule, MergeOptions Merging) ReadMerging(ICheckpointSource source, VimConfig config)
    {
        var fields = new MetadataFields(source, s_format.MergingKey);
        int[] removed = fields.Ints("removedPerBlock");
        var merging = MergingFields.Read(fields);
        fields.End();
        return (MergeSchedule.Custom(config, removed, merging), merging);
    }

    private static JsonObject Write(VimConfig config)
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
        return fields;
    }
}

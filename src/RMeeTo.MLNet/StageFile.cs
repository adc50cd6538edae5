using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>
/// What a transformer writes into ML.NET's zip file: 8 bytes "RMEETOML", the format version and the length of a header (little-endian Int32 each), the header
/// (JSON: columns, policy, label values), and then a whole <see cref="VimModel"/> file to the end. Every version must be readable for ever: fields are never
/// renamed; a new one is written only where it is not at its default; a change of meaning raises the version. Version 2 is written for networks that take
/// clips, all others are version 1. Nothing of the machine (threads, GPU, paths) is stored.
/// </summary>
internal static class StageFile
{
    /// <summary>The newest version that is read.</summary>
    public const int Version = 2;

    private const int MaxHeaderBytes = 1 << 28;

    private sealed record Header(string LabelColumn, string ImageColumn, string? ImageNameColumn, string ScoreColumn, string PredictedLabelColumn,
        string UnreadableImages, string LabelType, string[] LabelValues)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string[]? FrameColumns { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public ViewCounts? Views { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? FeaturesColumn { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public TopKColumns? TopK { get; init; }
    }

    private sealed record ViewCounts(int Times, int Crops);

    /// <summary>Writes a transformer.</summary>
    public static void Write(Stream stream, StageColumns columns, LabelClasses classes, UnreadableImages policy, ClipViews views, VimModel model)
    {
        var header = JsonSerializer.SerializeToUtf8Bytes(
            new Header(columns.Label, columns.Image, columns.ImageName, columns.Score, columns.PredictedLabel, policy.ToString(), classes.ValueTypeName,
                [.. classes.Names])
            {
                FrameColumns = columns.Frames is null ? null : [.. columns.Frames],
                Views = views == ClipViews.Single ? null : new(views.Times, views.Crops),
                FeaturesColumn = columns.Features,
                TopK = columns.TopK,
            });
        var start = new byte[Magic.Length + 8];
        Magic.CopyTo(start);
        BinaryPrimitives.WriteInt32LittleEndian(start.AsSpan(Magic.Length), model.Config.IsVideo ? 2 : 1);
        BinaryPrimitives.WriteInt32LittleEndian(start.AsSpan(Magic.Length + 4), header.Length);
        stream.Write(start);
        stream.Write(header);
        model.Save(stream);
    }

    /// <summary>Reads what <see cref="Write"/> wrote, in this or any earlier version.</summary>
    /// <exception cref="FormatException">This is no such file, it is damaged, or a newer version wrote it.</exception>
    public static VimMergedClassifierTransformer Read(IHostEnvironment environment, Stream stream)
    {
        var header = ReadHeader(stream);
        if (!Enum.TryParse<UnreadableImages>(header.UnreadableImages, out var policy))
            throw new FormatException($"The model file has the unreadable-image policy '{header.UnreadableImages}', which this version does not know. Use a "
                + "newer version of RMeeTo.MLNet.");
        var classes = LabelClasses.Parse(header.LabelType, header.LabelValues);
        var model = VimModel.Load(stream, "The model file");
        if (!model.ClassNames.SequenceEqual(classes.Names))
            throw new FormatException("The model file is damaged: its label values are not the classes of its network. Save the model again.");
        return new VimMergedClassifierTransformer(environment, model, ReadColumns(header), classes, new ScoringOptions(policy) { Views = ReadViews(header) });
    }

    private static StageColumns ReadColumns(Header header)
    {
        if (header.FrameColumns is { } frames && (frames.Length == 0 || frames.Any(string.IsNullOrWhiteSpace)))
            throw Damaged("its header names the columns of the frames incompletely");
        if (header.TopK is not (null or { Count: > 0, Labels: not null, Probabilities: not null }))
            throw Damaged("its header describes the columns of the top classes incompletely");
        return new(header.LabelColumn, header.ImageColumn, header.ImageNameColumn, header.ScoreColumn, header.PredictedLabelColumn)
        {
            Frames = header.FrameColumns,
            Features = header.FeaturesColumn,
            TopK = header.TopK,
        };
    }

    private static ClipViews ReadViews(Header header)
    {
        if (header.Views is not { } views) return ClipViews.Single;
        if (views is not { Times: >= 1 and <= 100, Crops: >= 1 and <= 100 }) throw Damaged($"its views are {views.Times} × {views.Crops}");
        return new() { Times = views.Times, Crops = views.Crops };
    }

    private static FormatException Damaged(string how, Exception? cause = null) =>
        new($"The model file is damaged: {how}. Get a fresh copy, or save the model again.", cause);

    private static ReadOnlySpan<byte> Magic => "RMEETOML"u8;

    private static Header ReadHeader(Stream stream)
    {
        Span<byte> start = stackalloc byte[Magic.Length + 8];
        if (stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start[..Magic.Length].SequenceEqual(Magic))
            throw Damaged("the classifier's stream does not begin with RMEETOML");
        int version = BinaryPrimitives.ReadInt32LittleEndian(start[Magic.Length..]),
            length = BinaryPrimitives.ReadInt32LittleEndian(start[(Magic.Length + 4)..]);
        if (version < 1) throw Damaged($"its version is {version}");
        if (version > Version)
            throw new FormatException($"The model file has version {version}; this version of RMeeTo.MLNet reads up to {Version}. Update the package.");
        if (length < 2 || length > MaxHeaderBytes || (stream.CanSeek && length > stream.Length - stream.Position))
            throw Damaged($"its header claims {length} bytes");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        try
        {
            var header = JsonSerializer.Deserialize<Header>(bytes);
            if (header is { LabelColumn: not null, ImageColumn: not null, ScoreColumn: not null, PredictedLabelColumn: not null,
                UnreadableImages: not null, LabelType: not null, LabelValues: not null })
                return header;
            throw Damaged("its header lacks a field");
        }
        catch (JsonException broken)
        {
            throw Damaged("its header is not JSON", broken);
        }
    }
}

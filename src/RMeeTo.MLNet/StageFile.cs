using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Runtime;
using RMeeTo.Vim;

namespace RMeeTo.MLNet;

/// <summary>
/// What a transformer writes into ML.NET's zip file: 8 bytes "RMEETOML", the format version and the length of a header (little-endian Int32 each), the header (JSON: columns, policy,
/// label values), and then a whole <see cref="VimModel"/> file to the end. Version 1 must be readable for ever: fields are never renamed; a new one is written only where it is not at its
/// default; a change of meaning raises the version. Nothing of the machine (threads, GPU, paths) is stored.
/// </summary>
internal static class StageFile
{
    /// <summary>The newest version that is read, and the one that is written.</summary>
    public const int Version = 1;

    private const int MaxHeaderBytes = 1 << 28;

    private sealed record Header(string LabelColumn, string ImageColumn, string? ImageNameColumn, string ScoreColumn, string PredictedLabelColumn, string UnreadableImages, string LabelType, string[] LabelValues)
    {
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? FeaturesColumn { get; init; }

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public TopKColumns? TopK { get; init; }
    }

    /// <summary>Writes a transformer.</summary>
    public static void Write(Stream stream, StageColumns columns, LabelClasses classes, UnreadableImages policy, VimModel model)
    {
        var header = JsonSerializer.SerializeToUtf8Bytes(
            new Header(columns.Label, columns.Image, columns.ImageName, columns.Score, columns.PredictedLabel, policy.ToString(), classes.ValueTypeName, [.. classes.Names])
            {
                FeaturesColumn = columns.Features,
                TopK = columns.TopK,
            });
        var start = new byte[Magic.Length + 8];
        Magic.CopyTo(start);
        BinaryPrimitives.WriteInt32LittleEndian(start.AsSpan(Magic.Length), Version);
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
        if (!Enum.TryParse<UnreadableImages>(header.UnreadableImages, out var policy)) throw new FormatException($"The model file has the unreadable-image policy '{header.UnreadableImages}', which this version does not know. Use a newer version of RMeeTo.MLNet.");
        var classes = LabelClasses.Parse(header.LabelType, header.LabelValues);
        var model = VimModel.Load(stream, "The model file");
        if (!model.ClassNames.SequenceEqual(classes.Names)) throw new FormatException("The model file is damaged: its label values are not the classes of its network. Save the model again.");
        var columns = new StageColumns(header.LabelColumn, header.ImageColumn, header.ImageNameColumn, header.ScoreColumn, header.PredictedLabelColumn)
        {
            Features = header.FeaturesColumn,
            TopK = header.TopK is null or { Count: > 0, Labels: not null, Probabilities: not null }
                ? header.TopK
                : throw new FormatException("The model file is damaged: its header describes the columns of the top classes incompletely. Get a fresh copy, or save the model again."),
        };
        return new VimMergedClassifierTransformer(environment, model, columns, classes, new ScoringOptions(policy));
    }

    private static ReadOnlySpan<byte> Magic => "RMEETOML"u8;

    private static Header ReadHeader(Stream stream)
    {
        Span<byte> start = stackalloc byte[Magic.Length + 8];
        if (stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start[..Magic.Length].SequenceEqual(Magic))
            throw new FormatException("The model file is damaged: the classifier's stream does not begin with RMEETOML. Get a fresh copy, or save the model again.");
        int version = BinaryPrimitives.ReadInt32LittleEndian(start[Magic.Length..]), length = BinaryPrimitives.ReadInt32LittleEndian(start[(Magic.Length + 4)..]);
        if (version < 1) throw new FormatException($"The model file is damaged: its version is {version}. Get a fresh copy, or save the model again.");
        if (version > Version) throw new FormatException($"The model file has version {version}; this version of RMeeTo.MLNet reads up to {Version}. Update the package.");
        if (length < 2 || length > MaxHeaderBytes || (stream.CanSeek && length > stream.Length - stream.Position))
            throw new FormatException($"The model file is damaged: its header claims {length} bytes. Get a fresh copy, or save the model again.");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        try
        {
            var header = JsonSerializer.Deserialize<Header>(bytes);
            if (header is { LabelColumn: not null, ImageColumn: not null, ScoreColumn: not null, PredictedLabelColumn: not null, UnreadableImages: not null, LabelType: not null, LabelValues: not null }) return header;
            throw new FormatException("The model file is damaged: its header lacks a field. Get a fresh copy, or save the model again.");
        }
        catch (JsonException broken)
        {
            throw new FormatException("The model file is damaged: its header is not JSON. Get a fresh copy, or save the model again.", broken);
        }
    }
}

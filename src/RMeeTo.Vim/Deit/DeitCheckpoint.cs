using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Deit;

/// <summary>Between checkpoints with the official tensor names (facebookresearch/deit, timm <c>VisionTransformer</c>) and <see cref="DeitWeights"/>.</summary>
/// <example><code>
/// using var source = Checkpoint.Open("deit_small_patch16_224-cd65a155.pth");
/// DeitWeights weights = DeitCheckpoint.Load(source, DeitCheckpoint.InferConfig(source));
/// </code></example>
public static class DeitCheckpoint
{
    /// <summary>Channels of a head in every published DeiT.</summary>
    private const int PublishedHeadWidth = 64;

    /// <summary>The configuration that a checkpoint's names and shapes imply.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="heads">Heads of the attention, which cannot be seen in a checkpoint; null means one for every 64 channels, as in all published
    /// networks.</param>
    /// <returns>Width, depth, MLP ratio, classes and patch size; the image is taken to be square. ε is that of the published networks.</returns>
    /// <exception cref="CheckpointMismatchException">This is no DeiT, or its patches do not make a square.</exception>
    public static DeitConfig InferConfig(ICheckpointSource source, int? heads = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        long width = Shape(source, "cls_token", 3)[2], patches = Shape(source, "pos_embed", 3)[1] - 1, edge = Shape(source, "patch_embed.proj.weight", 4)[3];
        long hidden = Shape(source, "blocks.0.mlp.fc1.weight", 2)[0], classes = Shape(source, "head.weight", 2)[0], grid = (long)Math.Round(Math.Sqrt(patches));
        if (grid < 1 || grid * grid != patches)
            throw new CheckpointMismatchException($"{source.Name}: pos_embed has rows for {patches} patches, which make no square image."
                + $"{After(Recognise(source))} Pass a DeitConfig with the ImageHeight and ImageWidth of this network.");
        if (width < 1 || hidden % width != 0)
            throw new CheckpointMismatchException($"{source.Name}: the hidden layer of blocks.0.mlp has {hidden} channels, no multiple of the width {width}; "
                + "no DeiT has that.");
        int depth = 0;
        while (source.Find($"blocks.{depth}.norm1.weight") is not null) depth++;
        try
        {
            return new DeitConfig
            {
                ImageHeight = checked((int)(grid * edge)),
                ImageWidth = checked((int)(grid * edge)),
                PatchSize = checked((int)edge),
                Width = checked((int)width),
                Depth = depth,
                Heads = heads ?? checked((int)Math.Max(1, width / PublishedHeadWidth)),
                MlpRatio = checked((int)(hidden / width)),
                Classes = checked((int)classes),
            }.Validate();
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new CheckpointMismatchException($"{source.Name} holds a network of a size that is not supported: {e.Message}");
        }
    }

    /// <summary>Loads a checkpoint that fits exactly: every tensor of the network, no other, with its shape.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="config">The network.</param>
    /// <exception cref="CheckpointMismatchException">It does not fit; the message lists what differs.</exception>
    /// <exception cref="CheckpointFormatException">A tensor cannot be read.</exception>
    public static DeitWeights Load(ICheckpointSource source, DeitConfig config)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(config);
        var parameters = new DeitParameters(config);
        CheckpointComparison.ThrowIfDifferent(source, parameters, () => Hint(source, config));
        return WeightTensors.Read(source, new DeitWeights(parameters));
    }

    /// <summary>
    /// Writes the weights alone, a plain state dict under the official names. <see cref="ClassifierModel.Save(string)"/> writes what belongs to them as well.
    /// </summary>
    /// <param name="path">The file to make or to replace, whole or not at all.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="metadata">Texts to go with them, or null. "format" is "pt" unless given, which PyTorch's own tools look for.</param>
    public static void Save(string path, DeitWeights weights, IReadOnlyDictionary<string, string>? metadata = null) =>
        WeightTensors.Save(path, weights, metadata);

    /// <summary>The same to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="metadata">Texts to go with them, or null. "format" is "pt" unless given, which PyTorch's own tools look for.</param>
    public static void Save(Stream stream, DeitWeights weights, IReadOnlyDictionary<string, string>? metadata = null) =>
        WeightTensors.Save(stream, weights, metadata);

    private static string Hint(ICheckpointSource source, DeitConfig config)
    {
        string foreign = Recognise(source);
        if (foreign.Length > 0) return char.ToLowerInvariant(foreign[0]) + foreign[1..];
        DeitConfig found;
        try
        {
            found = InferConfig(source);
        }
        catch (CheckpointMismatchException)
        {
            return "";
        }
        return (found.Width, found.Depth, found.MlpRatio, found.PatchSize) == (config.Width, config.Depth, config.MlpRatio, config.PatchSize)
            ? $"the file is for {found.Classes} classes and {found.Patches} patches, the configuration for {config.Classes} and {config.Patches}; load it as "
                + "it is, then use DeitModel.WithHead or DeitModel.WithImageSize."
            : $"this network has width {found.Width}, {found.Depth} blocks, an MLP ratio of {found.MlpRatio} and patches of {found.PatchSize}, the "
                + $"configuration {config.Width}, {config.Depth}, {config.MlpRatio} and {config.PatchSize}; pass the configuration that "
                + "DeitCheckpoint.InferConfig returns.";
    }

    /// <summary>What kind of foreign file this seems to be; empty where nothing is known.</summary>
    private static string Recognise(ICheckpointSource source)
    {
        if (source.Find("dist_token") is not null) return "This is a distilled DeiT with a second token; only the plain networks can be loaded.";
        if (source.Find("layers.0.mixer.in_proj.weight") is not null) return "This is a Vision Mamba; VimCheckpoint loads it.";
        return source.Find("blocks.0.attn.qkv.weight") is null ? "This is no DeiT checkpoint." : "";
    }

    private static IReadOnlyList<long> Shape(ICheckpointSource source, string name, int rank)
    {
        var tensor = source.Find(name)
            ?? throw new CheckpointMismatchException(
                $"{source.Name} holds no tensor '{name}', which every DeiT has.{After(Recognise(source))}", [$"{name}: missing"]);
        return tensor.Shape.Count == rank ? tensor.Shape
            : throw new CheckpointMismatchException(
                $"{source.Name}: {name} has the shape {tensor.ShapeText}; in a DeiT it has {rank} edges.{After(Recognise(source))}");
    }

    /// <summary>A sentence that may be empty, behind another.</summary>
    private static string After(string sentence) => sentence.Length == 0 ? "" : " " + sentence;
}

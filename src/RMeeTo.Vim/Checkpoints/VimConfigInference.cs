namespace RMeeTo.Vim.Checkpoints;

/// <summary>What network a checkpoint belongs to, read from the names and shapes of its tensors.</summary>
internal static class VimConfigInference
{
    /// <summary>
    /// Everything that shapes tell. Of the image they tell the number of patches only: the configuration is for a square image of patches side by side.
    /// </summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="classToken">Where one class token of a network for images stands, which names and shapes do not tell; without effect on other
    /// networks.</param>
    /// <exception cref="CheckpointMismatchException">This is not a Vim, or the patches do not make a square, or the class token cannot stand there.</exception>
    public static VimConfig Infer(ICheckpointSource source, ClassTokenPosition classToken)
    {
        var (config, patches) = InferAllButImage(source);
        int grid = (int)Math.Round(Math.Sqrt(patches));
        if ((long)grid * grid != patches)
            throw new CheckpointMismatchException($"{source.Name}: pos_embed has rows for {patches} patches, which make no square image. Pass a VimConfig with the ImageHeight, ImageWidth and Stride of this network.");
        if (config.ClassTokens == 1 && !config.IsVideo)
        {
            if (classToken is ClassTokenPosition.Ends or ClassTokenPosition.None)
                throw new CheckpointMismatchException($"{source.Name} holds one cls_token, so its position is not {classToken}; pass "
                    + "ClassTokenPosition.Middle (Vim) or First (VideoMamba).");
            config = config with { ClassToken = classToken, AverageDirections = classToken == ClassTokenPosition.Middle };
        }
        return Guard(source, () => (config with { ImageHeight = grid * config.PatchSize, ImageWidth = grid * config.PatchSize }).Validate());
    }

    /// <summary>
    /// The same for any number of patches; the image size is left at its default, and so is the position of one class token of a network for images.
    /// </summary>
    /// <returns>The configuration, and the number of patches of an image or frame.</returns>
    /// <exception cref="CheckpointMismatchException">This is not a Vim.</exception>
    public static (VimConfig Config, long Patches) InferAllButImage(ICheckpointSource source)
    {
        var a = Shape(source, "layers.0.mixer.A_log", 2);
        bool video = source.Find("temporal_pos_embedding") != null;
        var patch = Shape(source, "patch_embed.proj.weight", video ? 5 : 4);
        var position = ClassToken(source, video);
        int classTokens = new VimConfig { ClassToken = position }.ClassTokens;
        var table = Shape(source, "pos_embed", 3);
        long width = position switch
        {
            ClassTokenPosition.None => table[2],
            ClassTokenPosition.Ends => Shape(source, "cls_token_head", 3)[2],
            _ => Shape(source, "cls_token", 3)[2],
        };
        if (width == 0 || a[0] % width != 0)
            throw new CheckpointMismatchException($"{source.Name}: layers.0.mixer.A_log has {a[0]} rows, no multiple of the width {width} of its tokens. "
                + Recognise(source));
        long rank = Shape(source, "layers.0.mixer.dt_proj.weight", 2)[1], patches = table[1] - classTokens;
        long timeSteps = video ? Shape(source, "temporal_pos_embedding", 3)[1] : 0, tubelet = video ? patch[2] : 1;
        var config = Guard(source, () => new VimConfig
        {
            Width = checked((int)width),
            Depth = Depth(source),
            StateSize = checked((int)a[1]),
            ConvolutionWidth = checked((int)Shape(source, "layers.0.mixer.conv1d.weight", 3)[2]),
            Expansion = checked((int)(a[0] / width)),
            Classes = checked((int)Shape(source, "head.weight", 2)[0]),
            PatchSize = checked((int)patch[^1]),
            Stride = checked((int)patch[^1]),
            Frames = checked((int)(timeSteps * tubelet)),
            TubeletSize = checked((int)tubelet),
            ClassToken = position,
            AverageDirections = !video,
            Norm = source.Find("norm_f.bias") == null ? NormKind.Rms : NormKind.Layer,
            LayerScale = source.Find("layers.0.mixer.gamma") != null,
            ProjectionBias = source.Find("layers.0.mixer.in_proj.bias") != null,
        });
        if (video && config.Frames == 0)
            throw new CheckpointMismatchException($"{source.Name}: temporal_pos_embedding has no rows; a network for clips has one for each place in time.");
        // Sizes of the largest parameters, of which a small hostile file need not hold any.
        double kernel = 3.0 * config.PatchSize * config.PatchSize * tubelet;
        double rows = Math.Max(Math.Max(2.0 * a[0], config.Classes), Math.Max(Math.Max(patches, timeSteps), kernel));
        if (rows * width > int.MaxValue || (double)a[0] * (rank + 2 * a[1]) > int.MaxValue)
            throw new CheckpointMismatchException($"{source.Name} claims a network of width {width}, {patches} patches and {config.Classes} classes, whose parameters are too large to be held.");
        // Only where it is not the default, so that the result equals a preset.
        return (rank == config.TimeStepRank ? config : Guard(source, () => config with { TimeStepRank = checked((int)rank) }), patches);
    }

    /// <summary>What kind of foreign file this seems to be, and what to do; empty where nothing is known.</summary>
    public static string Recognise(ICheckpointSource source)
    {
        bool Has(Func<string, bool> test) => source.Tensors.Any(t => test(t.Name));
        if (source.Tensors.Count == 0) return "The file holds no tensors.";
        string? nested = source.Tensors.Select(t => t.Name).FirstOrDefault(n => n.EndsWith(".cls_token", StringComparison.Ordinal));
        if (nested != null) return $"Its names start with '{nested[..^"cls_token".Length]}'; save the state dict without that prefix.";
        if (Has(n => n.StartsWith("blocks.", StringComparison.Ordinal))) return "This looks like a vision transformer (DeiT, ViT), not like a Vision Mamba; DeitCheckpoint loads a DeiT.";
        if (Has(n => n == "temporal_pos_embedding")) return "This is a VideoMamba for clips.";
        if (Has(n => n == "cls_token_head")) return "This Vim has two class tokens.";
        if (Has(n => n.StartsWith("layers.0.mixer.", StringComparison.Ordinal))) return Has(n => n == "cls_token") ? "" : "This Vim has no class token.";
        return "This is no Vision Mamba checkpoint.";
    }

    private static IReadOnlyList<long> Shape(ICheckpointSource source, string name, int rank)
    {
        var tensor = source.Find(name)
            ?? throw new CheckpointMismatchException($"{source.Name} holds no tensor '{name}', which every Vim has. {Recognise(source)}".TrimEnd(), [$"{name}: missing"]);
        return tensor.Shape.Count == rank ? tensor.Shape
            : throw new CheckpointMismatchException($"{source.Name}: {name} has the shape {tensor.ShapeText}; in a Vim it has {rank} edges. {Recognise(source)}".TrimEnd());
    }

    /// <summary>What the names tell: the middle stands for any place of one class token.</summary>
    private static ClassTokenPosition ClassToken(ICheckpointSource source, bool video)
    {
        if (video) return ClassTokenPosition.First;
        if (source.Find("cls_token") != null) return ClassTokenPosition.Middle;
        return source.Find("cls_token_head") != null ? ClassTokenPosition.Ends : ClassTokenPosition.None;
    }

    private static int Depth(ICheckpointSource source)
    {
        int depth = 0;
        while (source.Find($"layers.{depth}.mixer.A_log") != null) depth++;
        return depth;
    }

    private static T Guard<T>(ICheckpointSource source, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new CheckpointMismatchException($"{source.Name} holds a network of a size that is not supported: {e.Message}");
        }
    }
}

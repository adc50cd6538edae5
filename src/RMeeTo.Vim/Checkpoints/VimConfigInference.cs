namespace RMeeTo.Vim.Checkpoints;

/// <summary>What network a checkpoint belongs to, read from the names and shapes of its tensors.</summary>
internal static class VimConfigInference
{
    /// <summary>Everything that shapes tell. Of the image they tell the number of patches only: the configuration is for a square image of patches side by side.</summary>
    /// <exception cref="CheckpointMismatchException">This is not a Vim, or the patches do not make a square.</exception>
    public static VimConfig Infer(ICheckpointSource source, ClassTokenPosition classToken)
    {
        var (config, patches) = InferAllButImage(source);
        int grid = (int)Math.Round(Math.Sqrt(patches));
        if ((long)grid * grid != patches)
            throw new CheckpointMismatchException($"{source.Name}: pos_embed has rows for {patches} patches, which make no square image. Pass a VimConfig with the ImageHeight, ImageWidth and Stride of this network.");
        return Guard(source, () => (config with { ImageHeight = grid * config.PatchSize, ImageWidth = grid * config.PatchSize, ClassToken = classToken, AverageDirections = classToken == ClassTokenPosition.Middle }).Validate());
    }

    /// <summary>The same for any number of patches; image size and class token position are left at their defaults.</summary>
    /// <returns>The configuration, and the number of patches.</returns>
    /// <exception cref="CheckpointMismatchException">This is not a Vim.</exception>
    public static (VimConfig Config, long Patches) InferAllButImage(ICheckpointSource source)
    {
        var a = Shape(source, "layers.0.mixer.A_log", 2);
        var patch = Shape(source, "patch_embed.proj.weight", 4);
        long width = Shape(source, "cls_token", 3)[2], rank = Shape(source, "layers.0.mixer.dt_proj.weight", 2)[1];
        if (width == 0 || a[0] % width != 0)
            throw new CheckpointMismatchException($"{source.Name}: layers.0.mixer.A_log has {a[0]} rows, no multiple of the width {width} of cls_token. {Recognise(source)}");
        long patches = Shape(source, "pos_embed", 3)[1] - 1;
        var config = Guard(source, () => new VimConfig
        {
            Width = checked((int)width),
            Depth = Depth(source),
            StateSize = checked((int)a[1]),
            ConvolutionWidth = checked((int)Shape(source, "layers.0.mixer.conv1d.weight", 3)[2]),
            Expansion = checked((int)(a[0] / width)),
            Classes = checked((int)Shape(source, "head.weight", 2)[0]),
            PatchSize = checked((int)patch[3]),
            Stride = checked((int)patch[3]),
            Norm = source.Find("norm_f.bias") == null ? NormKind.Rms : NormKind.Layer,
            LayerScale = source.Find("layers.0.mixer.gamma") != null,
        });
        // Sizes of the largest parameters, of which a small hostile file need not hold any.
        if (Math.Max(Math.Max(2.0 * a[0], config.Classes), Math.Max(patches, 3.0 * config.PatchSize * config.PatchSize)) * width > int.MaxValue || (double)a[0] * (rank + 2 * a[1]) > int.MaxValue)
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
        if (Has(n => n.StartsWith("blocks.", StringComparison.Ordinal))) return "This looks like a vision transformer (DeiT, ViT), not like a Vision Mamba.";
        if (Has(n => n == "temporal_pos_embedding")) return "This is a VideoMamba for video; only image networks can be loaded.";
        if (Has(n => n == "cls_token_head")) return "This Vim has two class tokens; only networks with one, in the middle or in front, can be loaded.";
        if (Has(n => n.StartsWith("layers.0.mixer.", StringComparison.Ordinal)))
            return Has(n => n == "cls_token") ? "" : "This Vim has no class token; only networks with one can be loaded.";
        return "This is no Vision Mamba checkpoint.";
    }

    private static IReadOnlyList<long> Shape(ICheckpointSource source, string name, int rank)
    {
        var tensor = source.Find(name)
            ?? throw new CheckpointMismatchException($"{source.Name} holds no tensor '{name}', which every Vim has. {Recognise(source)}".TrimEnd(), [$"{name}: missing"]);
        return tensor.Shape.Count == rank ? tensor.Shape
            : throw new CheckpointMismatchException($"{source.Name}: {name} has the shape {tensor.ShapeText}; in a Vim it has {rank} edges. {Recognise(source)}".TrimEnd());
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

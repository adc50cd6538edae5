using System.Text;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Holds a checkpoint's names and shapes against a network's.</summary>
internal static class CheckpointComparison
{
    private const int Shown = 8;

    /// <summary>Passes where every tensor of the network is there with its shape, and no other.</summary>
    /// <exception cref="CheckpointMismatchException">Anything is missing, unexpected or of another shape.</exception>
    public static void ThrowIfDifferent(ICheckpointSource source, VimParameters parameters) => ThrowIfDifferent(source, parameters, () => Hint(source, parameters.Config));

    /// <summary>The same for a network of any kind.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="parameters">The network's.</param>
    /// <param name="hint">What the checkpoint is instead and what to do, without a capital; may be empty.</param>
    /// <exception cref="CheckpointMismatchException">Anything is missing, unexpected or of another shape.</exception>
    public static void ThrowIfDifferent(ICheckpointSource source, ParameterLayout parameters, Func<string> hint)
    {
        var problems = new List<string>();
        foreach (var parameter in parameters.All)
        {
            var found = source.Find(parameter.Name);
            if (found == null) problems.Add($"{parameter.Name}: expected {parameter.ShapeText}, missing");
            else if (!found.Shape.SequenceEqual(parameter.Shape.Select(edge => (long)edge))) problems.Add($"{parameter.Name}: expected {parameter.ShapeText}, found {found.ShapeText}");
        }
        foreach (var tensor in source.Tensors)
            if (parameters.Find(tensor.Name) == null) problems.Add($"{SafetensorsHeader.Show(tensor.Name).Trim('\'')}: unexpected, shape {tensor.ShapeText}");
        if (problems.Count > 0) throw new CheckpointMismatchException(Message(source, hint(), problems), problems);
    }

    /// <summary>
    /// Whether a file's network differs from <paramref name="config"/> in nothing but class count, image size and number of frames, which
    /// <see cref="CheckpointFit"/> adapts, and in what no file tells.
    /// </summary>
    public static bool SameArchitecture(VimConfig found, VimConfig config) => Shapes(found) == Shapes(config);

    private static ((int, int, int, int, int, int, int) Sizes, (bool, int, int, NormKind, bool, bool) Kinds) Shapes(VimConfig c) =>
        ((c.Width, c.Depth, c.StateSize, c.ConvolutionWidth, c.Expansion, c.TimeStepRank, c.PatchSize),
            (c.IsVideo, c.TubeletSize, c.ClassTokens, c.Norm, c.LayerScale, c.ProjectionBias));

    private static string Message(ICheckpointSource source, string hint, List<string> problems)
    {
        if (problems.Count == 1) return $"{problems[0]} in {source.Name}{(hint.Length > 0 ? ": " + hint : ".")}";
        var text = new StringBuilder($"{source.Name} does not fit the configured network; {problems.Count} tensors differ.");
        if (hint.Length > 0) text.Append(' ').Append(char.ToUpperInvariant(hint[0])).Append(hint[1..]);
        foreach (string problem in problems.Take(Shown)) text.Append("\n  ").Append(problem);
        if (problems.Count > Shown) text.Append($"\n  and {problems.Count - Shown} more");
        return text.ToString();
    }

    private static string Hint(ICheckpointSource source, VimConfig config)
    {
        VimConfig found;
        long patches;
        try
        {
            (found, patches) = VimConfigInference.InferAllButImage(source);
        }
        catch (CheckpointMismatchException)
        {
            return Lower(VimConfigInference.Recognise(source));
        }
        if (config.IsVideo && SameArchitecture(found, config with { Frames = 0, TubeletSize = 1 }))
            return "the file is for images instead of clips; VimCheckpoint.LoadFitted inflates it.";
        if (!SameArchitecture(found, config))
            return PresetName(found, config) is { } preset
                ? $"this is a {preset} checkpoint; pass VimConfig.{preset.Replace("-", "")}."
                : $"this network has {Sizes(found)}, the configuration {Sizes(config)}; pass the configuration that VimCheckpoint.InferConfig returns.";
        var differences = new List<string>();
        if (found.Classes != config.Classes) differences.Add($"{found.Classes} classes instead of {config.Classes}");
        if (patches != config.FramePatches) differences.Add($"{patches} patches instead of {config.FramePatches}");
        if (found.Frames != config.Frames) differences.Add($"{found.Frames} frames instead of {config.Frames}");
        return differences.Count == 0 ? Lower(VimConfigInference.Recognise(source))
            : $"the file is for {string.Join(" and ", differences)}; VimCheckpoint.LoadFitted adapts it.";
    }

    /// <summary>Vim and VideoMamba for images have the same names and shapes: the configuration tells which of them was meant.</summary>
    private static string? PresetName(VimConfig found, VimConfig config)
    {
        (string Name, VimConfig Config)[] vims = [("Vim-Tiny", VimConfig.VimTiny), ("Vim-Small", VimConfig.VimSmall), ("Vim-Base", VimConfig.VimBase)];
        (string Name, VimConfig Config)[] videoMambas =
        [
            ("VideoMamba-Tiny", VimConfig.VideoMambaTiny), ("VideoMamba-Small", VimConfig.VideoMambaSmall),
            ("VideoMamba-Middle", VimConfig.VideoMambaMiddle), ("VideoMamba-Base", VimConfig.VideoMambaBase),
            ("VideoMamba-Tiny-Video", VimConfig.VideoMambaTinyVideo), ("VideoMamba-Small-Video", VimConfig.VideoMambaSmallVideo),
            ("VideoMamba-Middle-Video", VimConfig.VideoMambaMiddleVideo),
        ];
        var presets = config.ClassToken == ClassTokenPosition.First ? videoMambas.Concat(vims) : vims.Concat(videoMambas);
        return presets.FirstOrDefault(p => SameArchitecture(found, p.Config)).Name;
    }

    private static string Sizes(VimConfig c)
    {
        string patches = c.IsVideo ? $"{c.TubeletSize}×{c.PatchSize}×{c.PatchSize} in clips" : $"{c.PatchSize}";
        string options = (c.LayerScale ? ", layer scale" : "") + (c.ProjectionBias ? ", projection bias" : "")
            + c.ClassTokens switch { 0 => ", no class token", 2 => ", two class tokens", _ => "" };
        return $"width {c.Width}, {c.Depth} blocks, {c.StateSize} states, expansion {c.Expansion}, Δ rank {c.TimeStepRank}, patches of {patches}, "
            + $"{c.Norm} norm{options}";
    }

    private static string Lower(string text) => text.Length == 0 ? text : char.ToLowerInvariant(text[0]) + text[1..];
}

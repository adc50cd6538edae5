using System.Text;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Holds a checkpoint's names and shapes against a network's.</summary>
internal static class CheckpointComparison
{
    private const int Shown = 8;

    /// <summary>Passes where every tensor of the network is there with its shape, and no other.</summary>
    /// <exception cref="CheckpointMismatchException">Anything is missing, unexpected or of another shape.</exception>
    public static void ThrowIfDifferent(ICheckpointSource source, VimParameters parameters)
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
        if (problems.Count > 0) throw new CheckpointMismatchException(Message(source, parameters.Config, problems), problems);
    }

    /// <summary>Whether a file's network differs from <paramref name="config"/> in nothing but class count and image size, which <see cref="CheckpointFit"/> adapts.</summary>
    public static bool SameArchitecture(VimConfig found, VimConfig config) =>
        (found.Width, found.Depth, found.StateSize, found.ConvolutionWidth, found.Expansion, found.TimeStepRank, found.PatchSize, found.Norm, found.LayerScale)
        == (config.Width, config.Depth, config.StateSize, config.ConvolutionWidth, config.Expansion, config.TimeStepRank, config.PatchSize, config.Norm, config.LayerScale);

    private static string Message(ICheckpointSource source, VimConfig config, List<string> problems)
    {
        string hint = Hint(source, config);
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
        if (!SameArchitecture(found, config))
            return PresetName(found) is { } preset
                ? $"this is a {preset} checkpoint; pass VimConfig.{preset.Replace("-", "")}."
                : $"this network has {Sizes(found)}, the configuration {Sizes(config)}; pass the configuration that VimCheckpoint.InferConfig returns.";
        var differences = new List<string>();
        if (found.Classes != config.Classes) differences.Add($"{found.Classes} classes instead of {config.Classes}");
        if (patches != config.FramePatches) differences.Add($"{patches} patches instead of {config.FramePatches}");
        return differences.Count == 0 ? Lower(VimConfigInference.Recognise(source))
            : $"the file is for {string.Join(" and ", differences)}; VimCheckpoint.LoadFitted adapts it.";
    }

    private static string? PresetName(VimConfig found)
    {
        (string Name, VimConfig Config)[] presets = [("Vim-Tiny", VimConfig.VimTiny), ("Vim-Small", VimConfig.VimSmall), ("Vim-Base", VimConfig.VimBase)];
        return presets.FirstOrDefault(p => SameArchitecture(found, p.Config)).Name;
    }

    private static string Sizes(VimConfig c) =>
        $"width {c.Width}, {c.Depth} blocks, {c.StateSize} states, expansion {c.Expansion}, Δ rank {c.TimeStepRank}, patches of {c.PatchSize}, {c.Norm} norm{(c.LayerScale ? ", layer scale" : "")}";

    private static string Lower(string text) => text.Length == 0 ? text : char.ToLowerInvariant(text[0]) + text[1..];
}

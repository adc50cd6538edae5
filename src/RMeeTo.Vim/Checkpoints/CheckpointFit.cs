using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Adapts weights to another set of classes or another image size.</summary>
internal static class CheckpointFit
{
    /// <summary>Gives the network a head for <paramref name="newNames"/>: rows of known names are kept, the others drawn from N(0, 0.02²) with bias 0.</summary>
    /// <param name="weights">Not changed.</param>
    /// <param name="oldNames">Names of the present classes, or null where they are not known; then no row can be kept.</param>
    /// <param name="newNames">Names of the classes wanted.</param>
    /// <param name="seed">A new row is a function of this and of its index.</param>
    public static FittedWeights ReplaceHead(VimWeights weights, IReadOnlyList<string>? oldNames, IReadOnlyList<string> newNames, ulong seed)
    {
        var result = CopyExceptChangedShapes(weights, weights.Config with { Classes = newNames.Count });
        VimInitializer.FillHead(result, seed);
        var (from, to, c) = (weights.Parameters, result.Parameters, weights.Config.Width);
        var rowOfName = new Dictionary<string, int>();
        for (int i = 0; i < oldNames?.Count; i++) rowOfName.TryAdd(oldNames[i], i);
        var (kept, added) = (new List<string>(), new List<string>());
        for (int i = 0; i < newNames.Count; i++)
        {
            if (!rowOfName.TryGetValue(newNames[i], out int row))
            {
                added.Add(newNames[i]);
                continue;
            }
            weights[from.HeadWeight].Slice(row * c, c).CopyTo(result[to.HeadWeight][(i * c)..]);
            result[to.HeadBias][i] = weights[from.HeadBias][row];
            kept.Add(newNames[i]);
        }
        string origin = oldNames == null ? "the checkpoint carries no class names" : $"{kept.Count} classes kept by name, {added.Count} new";
        string line = $"Head replaced: {weights.Config.Classes} classes before, {newNames.Count} now; {origin}.";
        var lines = new List<string> { line };
        if (kept.Count > 0) lines.Add($"Classes kept: {List(kept)}.");
        if (kept.Count > 0 && added.Count > 0) lines.Add($"Classes new: {List(added)}.");
        return new(result, new() { Lines = lines, KeptClasses = kept, NewClasses = added, HeadReplaced = true });
    }

    /// <summary>Interpolates the position table for the image size of <paramref name="config"/>, which may differ from the weights' in nothing else.</summary>
    public static FittedWeights ResizePositions(VimWeights weights, VimConfig config)
    {
        var (from, to) = (weights.Config, config.Validate());
        var result = CopyExceptChangedShapes(weights, to);
        if ((from.GridHeight, from.GridWidth) == (to.GridHeight, to.GridWidth)) return new(result, new());
        PositionTable.Resize(weights[weights.Parameters.Positions], from, result[result.Parameters.Positions], to);
        string line = $"Position table resized (bicubic): {from.GridHeight}×{from.GridWidth} patches before, {to.GridHeight}×{to.GridWidth} now; the class token's row is kept.";
        return new(result, new() { Lines = [line], PositionsResized = true });
    }

    private static VimWeights CopyExceptChangedShapes(VimWeights weights, VimConfig config)
    {
        var result = new VimWeights(config);
        foreach (var parameter in result.Parameters.All)
        {
            var old = weights.Parameters.Find(parameter.Name)!;
            if (old.Shape.SequenceEqual(parameter.Shape)) weights[old].CopyTo(result[parameter]);
        }
        return result;
    }

    private static string List(List<string> names) => string.Join(", ", names.Take(10)) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");
}

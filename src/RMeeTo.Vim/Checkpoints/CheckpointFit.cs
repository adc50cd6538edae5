using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Adapts weights to another set of classes, another image size, or clips.</summary>
internal static class CheckpointFit
{
    /// <summary>Gives a network a head for <paramref name="newNames"/>: rows of known names are kept, the others drawn from N(0, 0.02²) with bias 0.</summary>
    /// <param name="weights">Not changed.</param>
    /// <param name="oldNames">Names of the present classes, or null where they are not known; then no row can be kept.</param>
    /// <param name="result">The same architecture but for the number of classes; all of it is written.</param>
    /// <param name="newNames">Names of the classes wanted.</param>
    /// <param name="seed">A new row is a function of this and of its index.</param>
    /// <returns>What became of the head.</returns>
    public static CheckpointReport ReplaceHead(
        NetworkWeights weights, IReadOnlyList<string>? oldNames, NetworkWeights result, IReadOnlyList<string> newNames, ulong seed)
    {
        CopyEqualShapes(weights, result);
        new ParameterDrawer(result, seed).Head();
        return KeepRows(weights, oldNames, result, newNames);
    }

    /// <summary>Copies the rows of the classes that both heads have.</summary>
    private static CheckpointReport KeepRows(NetworkWeights weights, IReadOnlyList<string>? oldNames, NetworkWeights result, IReadOnlyList<string> newNames)
    {
        var (from, to) = (weights.Parameters.ClassRows, result.Parameters.ClassRows);
        int c = from.Weight.Length / from.Bias.Length;
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
            weights[from.Weight].Slice(row * c, c).CopyTo(result[to.Weight][(i * c)..]);
            result[to.Bias][i] = weights[from.Bias][row];
            kept.Add(newNames[i]);
        }
        string origin = oldNames == null ? "the checkpoint carries no class names" : $"{kept.Count} classes kept by name, {added.Count} new";
        string line = $"Head replaced: {from.Bias.Length} classes before, {newNames.Count} now; {origin}.";
        var lines = new List<string> { line };
        if (kept.Count > 0) lines.Add($"Classes kept: {List(kept)}.");
        if (kept.Count > 0 && added.Count > 0) lines.Add($"Classes new: {List(added)}.");
        return new() { Lines = lines, KeptClasses = kept, NewClasses = added, HeadReplaced = true };
    }

    /// <summary>
    /// Interpolates the position tables for image size and frames of <paramref name="config"/>, which may differ from the weights' in nothing else.
    /// </summary>
    public static FittedWeights ResizePositions(VimWeights weights, VimConfig config)
    {
        var (from, to) = (weights.Config, config.Validate());
        var result = CopyExceptChangedShapes(weights, to);
        var lines = new List<string>();
        if ((from.GridHeight, from.GridWidth) != (to.GridHeight, to.GridWidth))
        {
            PositionTable.Resize(weights[weights.Parameters.Positions], from, result[result.Parameters.Positions], to);
            string kept = to.ClassTokens switch { 0 => "", 1 => "; the class token's row is kept", _ => "; the class tokens' rows are kept" };
            lines.Add($"Position table resized (bicubic): {from.GridHeight}×{from.GridWidth} patches before, {to.GridHeight}×{to.GridWidth} now{kept}.");
        }
        if (from.TimeSteps != to.TimeSteps)
        {
            PositionTable.ResizeTime(weights[weights.Parameters.TimePositions!], from.TimeSteps, result[result.Parameters.TimePositions!], to.TimeSteps);
            lines.Add($"Table of places in time resized (linear): {from.TimeSteps} before, {to.TimeSteps} now.");
        }
        return new(result, new() { Lines = lines, PositionsResized = lines.Count > 0 });
    }

    /// <summary>Makes a network for clips of one for images: patches get a time axis, places in time start at zero (spec 1.4).</summary>
    /// <param name="weights">Of a network for images with its class token first; not changed.</param>
    /// <param name="config">Differs from the weights' in frames and tubelet only.</param>
    /// <param name="inflation">Where the kernels of images go.</param>
    public static FittedWeights Inflate(VimWeights weights, VimConfig config, PatchInflation inflation)
    {
        var result = CopyExceptChangedShapes(weights, config.Validate());
        int plane = config.PatchSize * config.PatchSize, taps = config.TubeletSize;
        ReadOnlySpan<float> from = weights[weights.Parameters.PatchWeight];
        var to = result[result.Parameters.PatchWeight];
        for (int i = 0; i < from.Length; i += plane)
            for (int tap = 0; tap < taps; tap++)
            {
                var kernel = to.Slice(i * taps + tap * plane, plane);
                if (inflation == PatchInflation.Center && tap == taps / 2) from.Slice(i, plane).CopyTo(kernel);
                if (inflation == PatchInflation.Average)
                    for (int k = 0; k < plane; k++) kernel[k] = from[i + k] / taps;
            }
        string how = taps == 1 ? ""
            : inflation == PatchInflation.Center ? $", image kernels at frame {taps / 2} of {taps}" : $", image kernels spread over {taps} frames";
        string line = $"Image weights made weights for clips of {config.Frames} frames{how}; places in time start at zero.";
        return new(result, new() { Lines = [line], Inflated = true });
    }

    private static VimWeights CopyExceptChangedShapes(VimWeights weights, VimConfig config)
    {
        var result = new VimWeights(config);
        CopyEqualShapes(weights, result);
        return result;
    }

    /// <summary>Copies every parameter that has the same shape in both networks.</summary>
    public static void CopyEqualShapes(NetworkWeights weights, NetworkWeights result)
    {
        foreach (var parameter in result.Parameters.All)
            if (weights.Parameters.Find(parameter.Name) is { } old && old.Shape.SequenceEqual(parameter.Shape)) weights[old].CopyTo(result[parameter]);
    }

    private static string List(List<string> names) => string.Join(", ", names.Take(10)) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");
}

using System.Globalization;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>Which parameters AdamW's weight decay acts on.</summary>
public enum WeightDecayRule
{
    /// <summary>All of them, norms, biases, tables and A_log too: the recipe of the paper for images (spec 3.1).</summary>
    EveryParameter,

    /// <summary>
    /// All but vectors (tensors of one dimension), biases, class tokens and the tables of positions in space and time: the usual rule, that of the paper for
    /// videos (spec 3.2) and of training from scratch (spec 3.4). A_log, a matrix, is decayed.
    /// </summary>
    MatricesOnly,
}

/// <summary>Which layer a parameter counts as for <see cref="LayerDecay"/>.</summary>
public enum LayerDecayRule
{
    /// <summary>Embedding (patches, class tokens, tables of positions) 0, block i i + 1, final norm and head last: the usual rule.</summary>
    ByDepth,

    /// <summary>
    /// As the published code of R-MeeTo does it for videos (spec 3.2): it knows blocks as <c>blocks.i</c>, and those of a Vision Mamba are <c>layers.i</c>. So
    /// patch embedding, class token and position table count as layer 0, and all the rest, the table of places in time too, as the last.
    /// </summary>
    Reference,
}

/// <summary>
/// Learning rates that fall from the last layer to the first: layer k of 0 to depth + 1 learns at <see cref="Factor"/>^(depth + 1 − k) of the rate.
/// </summary>
public sealed record LayerDecay
{
    /// <summary>Sets the factor.</summary>
    /// <param name="factor">From a layer to the one before it, above 0 and at most 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="factor"/> is out of range.</exception>
    public LayerDecay(double factor) => Factor = factor is > 0 and <= 1
        ? factor
        : throw new ArgumentOutOfRangeException(nameof(factor), factor, $"The layer decay is {factor}; it must be above 0 and at most 1.");

    /// <summary>From a layer to the one before it, above 0 and at most 1.</summary>
    public double Factor { get; }

    /// <summary>Which layer a parameter counts as.</summary>
    public LayerDecayRule Rule { get; init; }
}

/// <summary>A range of the flat parameter buffer whose values are trained alike.</summary>
/// <param name="Offset">First value.</param>
/// <param name="Count">Values, gaps between parameters included.</param>
/// <param name="LearningRateFactor">Factor of the learning rate.</param>
/// <param name="WeightDecay">Decoupled weight decay.</param>
internal readonly record struct ParameterGroup(long Offset, long Count, double LearningRateFactor, double WeightDecay)
{
    /// <summary>Cuts the buffer of a network where the learning rate or the weight decay changes.</summary>
    /// <param name="parameters">The network's parameters.</param>
    /// <param name="options">Weight decay and layer decay.</param>
    /// <returns>Ranges that cover the buffer, first to last.</returns>
    public static IReadOnlyList<ParameterGroup> Of(ParameterLayout parameters, RetrainOptions options)
    {
        var groups = new List<ParameterGroup>();
        int depth = 1 + parameters.All.Max(parameter => BlockOf(parameter.Name) ?? -1);
        var all = parameters.All;
        for (int i = 0; i < all.Count; i++)
        {
            long end = i + 1 < all.Count ? all[i + 1].Offset : parameters.BufferLength;
            var group = new ParameterGroup(all[i].Offset, end - all[i].Offset, RateFactor(all[i], depth, options.LayerDecay),
                Decays(all[i], options.WeightDecayRule) ? options.WeightDecay : 0);
            if (groups.Count > 0 && groups[^1] with { Offset = group.Offset, Count = group.Count } == group)
                groups[^1] = groups[^1] with { Count = groups[^1].Count + group.Count };
            else groups.Add(group);
        }
        return groups;
    }

    private static bool Decays(VimParameter parameter, WeightDecayRule rule) =>
        rule == WeightDecayRule.EveryParameter
        || (parameter.Shape.Count > 1 && !parameter.Name.EndsWith(".bias", StringComparison.Ordinal) && !IsToken(parameter.Name) && !IsTable(parameter.Name));

    private static double RateFactor(VimParameter parameter, int depth, LayerDecay? decay)
    {
        if (decay is null) return 1;
        int last = depth + 1, layer = decay.Rule == LayerDecayRule.Reference ? ReferenceLayer(parameter.Name, last) : Layer(parameter.Name, last);
        return Math.Pow(decay.Factor, last - layer);
    }

    private static int Layer(string name, int last) => IsToken(name) || IsTable(name) || IsPatchEmbedding(name) ? 0 : BlockOf(name) + 1 ?? last;

    private static int ReferenceLayer(string name, int last)
    {
        if (name is "cls_token" or "pos_embed" || IsPatchEmbedding(name)) return 0;
        return name.StartsWith("blocks.", StringComparison.Ordinal) ? BlockOf(name)!.Value + 1 : last;
    }

    private static bool IsToken(string name) => name.StartsWith("cls_token", StringComparison.Ordinal);

    private static bool IsTable(string name) => name is "pos_embed" or "temporal_pos_embedding";

    private static bool IsPatchEmbedding(string name) => name.StartsWith("patch_embed.", StringComparison.Ordinal);

    /// <summary>i of <c>layers.i.…</c> and <c>blocks.i.…</c>, the official names of the blocks of a Vision Mamba and a DeiT; null for all others.</summary>
    private static int? BlockOf(string name)
    {
        string[] parts = name.Split('.', 3);
        return parts.Length == 3 && parts[0] is "layers" or "blocks" ? int.Parse(parts[1], CultureInfo.InvariantCulture) : null;
    }
}

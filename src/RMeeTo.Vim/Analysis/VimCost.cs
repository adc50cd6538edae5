using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Analysis;

/// <summary>
/// Arithmetic that a network spends on one image or clip, in thousand millions (G), as a function of its sizes and of its merge schedule. Nothing is measured.
/// </summary>
/// <param name="Published">By the formula of the papers' tables: one scan direction only. <see cref="PublishedCost"/> has the tables themselves.</param>
/// <param name="Bidirectional">The same with both scan directions, which every Vim computes: the cost that is really paid.</param>
/// <param name="Merging">The share of matching and merging in either.</param>
/// <remarks>
/// Spec 4, the published formula with every size in the place of its value in Vim. L = tokens of the block, C = width, D = inner width, N = states, K = taps,
/// R = rank of Δ:
/// <code>
/// block     3·C·D·L + direction           input and output projection; the direction counts once (published) or twice
/// direction (L+K−1)·D·K + L·D·(R+2N) + L·R·D + 9·L·D·N + 2·L·D    convolution, x_proj, dt_proj, scan, skip and gate
/// merge     6·L·c + 2·c·(L/2)² + r·C      L = tokens before the merge, r = tokens removed, c = width of the metric: C, or N for B and C, or D for Δ
/// ends      T·C·3·t·P² + classes·C        T = tokens of the input, class token included; P = patch edge, t = frames that a patch spans
/// </code>
/// The unit is the formula's own mixture: projections and convolution count multiply-adds, scan and matching count operations. Norms, activations, softplus
/// and sorting are not counted. A block's tokens are those that it really has.
/// </remarks>
public sealed record VimCost(double Published, double Bidirectional, double Merging)
{
    /// <summary>The cost of one image or clip.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Where tokens merge; null means nowhere.</param>
    /// <param name="merging">How tokens merge, which decides what matching costs; <see cref="MergeOptions.Default"/> unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network.</exception>
    public static VimCost Of(VimConfig config, MergeSchedule? schedule = null, MergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        schedule ??= MergeSchedule.Dense(config);
        schedule.Check(config, nameof(schedule));
        int metricWidth = MetricWidth(config, (merging ?? MergeOptions.Default).Metric);
        double ends = Ends(config, config.Tokens), matching = schedule.Steps.Sum(step => Merge(config, metricWidth, step.TokensIn, step.Removed));
        double once = schedule.TokensPerBlock.Sum(tokens => Block(config, tokens, directions: 1));
        double twice = schedule.TokensPerBlock.Sum(tokens => Block(config, tokens, directions: 2));
        return new((ends + once + matching) / 1e9, (ends + twice + matching) / 1e9, matching / 1e9);
    }

    /// <summary>The arithmetic that a schedule saves, as a factor: <see cref="Bidirectional"/> without merges over that with them.</summary>
    internal static double Speedup(VimConfig config, MergeSchedule schedule, MergeOptions merging) =>
        Of(config).Bidirectional / Of(config, schedule, merging).Bidirectional;

    /// <summary>One block; not in G.</summary>
    internal static double Block(VimConfig config, double tokens, int directions)
    {
        double perChannel = (tokens + config.ConvolutionWidth - 1) * config.ConvolutionWidth
            + tokens * (config.ProjectionWidth + config.TimeStepRank + 9 * config.StateSize + 2);
        return 3.0 * config.Width * config.InnerWidth * tokens + directions * config.InnerWidth * perChannel;
    }

    /// <summary>One merge; not in G.</summary>
    internal static double Merge(VimConfig config, int metricWidth, double tokens, double removed) =>
        metricWidth * (6 * tokens + 2 * (tokens / 2) * (tokens / 2)) + removed * config.Width;

    /// <summary>Patch embedding and head; not in G.</summary>
    internal static double Ends(VimConfig config, double tokens) => tokens * config.Width * config.PatchLength + (double)config.Classes * config.Width;

    /// <summary>Values of a token that are compared.</summary>
    internal static int MetricWidth(VimConfig config, MergeMetric metric) => metric switch
    {
        MergeMetric.HiddenState => config.Width,
        MergeMetric.Delta => config.InnerWidth,
        _ => config.StateSize,
    };
}

using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Analysis;

/// <summary>
/// Arithmetic as the published code counts it, in thousand millions (G), with all that is peculiar in it: the figures of the papers' tables to the last digit.
/// For comparison with these; <see cref="VimCost"/> says what a network really costs.
/// </summary>
/// <param name="Total">With matching and merging.</param>
/// <param name="WithoutMerging">Blocks, patches and head alone (official <c>layer_flops</c>).</param>
/// <remarks>
/// Spec 4. The formula is <see cref="VimCost.Published"/>'s. Different from there: merge layers that remove nothing still match, and images are counted with r
/// tokens gone at every merge even where there are not so many left, below none (from r = 18 at 224 pixels on). Clips are counted with the tokens that they
/// really have, and without the class token's share of the patch embedding. VideoMamba's own counter for images does not know <see cref="MergePhase.Odd"/>;
/// this one counts it as Vim's does.
/// </remarks>
public sealed record PublishedCost(double Total, double WithoutMerging)
{
    /// <summary>The plain network, without merge layers.</summary>
    /// <param name="config">The network.</param>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public static PublishedCost Of(VimConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        double total = Ends(config.Validate()) + config.Depth * VimCost.Block(config, config.Tokens, directions: 1);
        return new(total / 1e9, total / 1e9);
    }

    /// <summary>The network with merge layers.</summary>
    /// <param name="config">The network.</param>
    /// <param name="tokensPerMerge">r, tokens removed a merge, at least 0.</param>
    /// <param name="interval">Blocks from a merge to the next, at least 1.</param>
    /// <param name="phase">Which blocks merge.</param>
    /// <param name="metric">What tokens are compared by.</param>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static PublishedCost Of(
        VimConfig config, int tokensPerMerge, int interval = 2, MergePhase phase = MergePhase.Even, MergeMetric metric = MergeMetric.HiddenState)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfNegative(tokensPerMerge);
        ArgumentOutOfRangeException.ThrowIfLessThan(interval, 1);
        double blocks = Ends(config.Validate()), merges = 0;
        int width = VimCost.MetricWidth(config, metric);
        long tokens = config.Tokens;
        for (int i = 0; i < config.Depth; i++)
        {
            if (i > 0 && MergeSchedule.Merges(i, interval, phase))
            {
                long removed = config.IsVideo ? Math.Min(tokensPerMerge, (tokens - 1) / 2) : tokensPerMerge;
                merges += VimCost.Merge(config, width, tokens, removed);
                tokens -= removed;
            }
            blocks += VimCost.Block(config, tokens, directions: 1);
        }
        return new((blocks + merges) / 1e9, blocks / 1e9);
    }

    private static double Ends(VimConfig config) => VimCost.Ends(config, config.IsVideo ? config.Patches : config.Tokens);
}

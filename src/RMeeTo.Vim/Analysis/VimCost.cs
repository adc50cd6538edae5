using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Analysis;

/// <summary>Arithmetic that a network spends on one image, in thousand millions (G), as a function of its sizes and of its merge schedule. Nothing is measured.</summary>
/// <param name="Published">The figure of the papers' tables: one scan direction only. For comparison with published numbers.</param>
/// <param name="Bidirectional">The same with both scan directions, which every Vim computes: the cost that is really paid.</param>
/// <param name="Merging">The share of matching and merging in either.</param>
/// <remarks>
/// Spec 4, the published formula with every size in the place of its value in Vim. L = tokens of the block, C = width, D = inner width, N = states, K = taps, R = rank of Δ:
/// <code>
/// block     3·C·D·L + direction           input and output projection; the direction counts once (published) or twice
/// direction (L+K−1)·D·K + L·D·(R+2N) + L·R·D + 9·L·D·N + 2·L·D    convolution, x_proj, dt_proj, scan, skip and gate
/// merge     6·L·C + 2·C·(L/2)² + r·C      L = tokens before the merge, r = tokens removed
/// ends      T·C·3·P² + classes·C          T = tokens of the image, class token included; P = patch edge
/// </code>
/// The unit is the formula's own mixture: projections and convolution count multiply-adds, scan and matching count operations. Norms, activations, softplus and sorting are not
/// counted. A block's tokens are those that it really has; the published formula lets more than half of the tokens go at a merge, even below none (from r = 18 at 224 pixels on),
/// so its figures for such schedules are lower.
/// </remarks>
public sealed record VimCost(double Published, double Bidirectional, double Merging)
{
    /// <summary>The cost of one image.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Where tokens merge; null means nowhere.</param>
    /// <exception cref="ArgumentException">The schedule is for another network.</exception>
    public static VimCost Of(VimConfig config, MergeSchedule? schedule = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        schedule ??= MergeSchedule.Dense(config);
        if ((schedule.InputTokens, schedule.TokensPerBlock.Count) != (config.Validate().Tokens, config.Depth))
            throw new ArgumentException($"The schedule is for {schedule.InputTokens} tokens and {schedule.TokensPerBlock.Count} blocks; the network has {config.Tokens} tokens and {config.Depth} blocks. Make the schedule from the network's VimConfig.", nameof(schedule));
        double shared = (double)config.Tokens * config.Width * config.PatchLength + (double)config.Classes * config.Width;
        double directions = 0;
        foreach (int tokens in schedule.TokensPerBlock)
        {
            shared += 3.0 * config.Width * config.InnerWidth * tokens;
            directions += Direction(config, tokens);
        }
        double merging = schedule.Steps.Sum(step => Merge(config, step));
        return new((shared + directions + merging) / 1e9, (shared + 2 * directions + merging) / 1e9, merging / 1e9);
    }

    private static double Direction(VimConfig config, double tokens)
    {
        double perChannel = (tokens + config.ConvolutionWidth - 1) * config.ConvolutionWidth
            + tokens * (config.ProjectionWidth + config.TimeStepRank + 9 * config.StateSize + 2);
        return config.InnerWidth * perChannel;
    }

    private static double Merge(VimConfig config, MergeStep step)
    {
        double tokens = step.TokensIn, half = tokens / 2;
        return config.Width * (6 * tokens + 2 * half * half + step.Removed);
    }
}

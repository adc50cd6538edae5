namespace RMeeTo.Vim.Deit;

/// <summary>
/// Arithmetic that a DeiT spends on one image, in thousand millions (G), as a function of its sizes and of its merge schedule. Nothing is measured.
/// </summary>
/// <param name="Total">Multiply-adds of all products, and what merging takes: 1.3, 4.6 and 17.6 for the published networks without merges.</param>
/// <param name="Merging">The share of matching and merging in it.</param>
/// <remarks>
/// The unit of <see cref="Analysis.VimCost"/>, so that both can stand in one table: products count multiply-adds, matching counts operations; norms,
/// activations, softmax and
/// sorting are not counted. L = tokens that the attention sees, L' = tokens after the merge, C = width, M = width of the MLP, m = channels of the metric, r =
/// tokens removed:
/// <code>
/// block     L·(4·C² + 2·L·C) + 2·L'·C·M
/// merge     6·L·m + 2·m·(L/2)² + r·C
/// ends      patches·C·3·P² + classes·C
/// </code>
/// </remarks>
public sealed record DeitCost(double Total, double Merging)
{
    /// <summary>The cost of one image.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Where tokens merge; null means nowhere.</param>
    /// <param name="merging">What they are compared by; the default options unless given.</param>
    /// <exception cref="ArgumentException">The schedule is for another network.</exception>
    public static DeitCost Of(DeitConfig config, DeitMergeSchedule? schedule = null, DeitMergeOptions? merging = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        schedule ??= DeitMergeSchedule.Dense(config);
        schedule.ThrowIfNotFor(config.Validate(), nameof(schedule));
        double c = config.Width, metric = (merging ?? DeitMergeOptions.Default).Metric == DeitMetric.Tokens ? config.Width : config.HeadWidth;
        double products = config.Patches * c * config.PatchLength + config.Classes * c;
        products += schedule.AttendedPerBlock.Sum(l => l * (4 * c * c + 2 * l * c)) + schedule.TokensPerBlock.Sum(l => 2 * l * c * config.MlpWidth);
        double merges = schedule.Steps.Sum(step => 6 * step.TokensIn * metric + 2 * metric * (step.TokensIn / 2.0) * (step.TokensIn / 2.0) + step.Removed * c);
        return new((products + merges) / 1e9, merges / 1e9);
    }
}

using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Analysis;

/// <summary>Looks for the shape with the smallest divergence at a speed; what was run once is not run again.</summary>
internal sealed class ShapeSearch(ScheduleScale scale, ScheduleEvaluator evaluator, MergeOptions merging, ScheduleSearchOptions options, CancellationToken cancellation)
{
    private readonly Dictionary<string, ScheduleEvaluation> _known = [];

    public ScheduleSearchOptions Options => options;

    public int Images => evaluator.Images;

    /// <summary>The network without merges.</summary>
    public ScheduleEvaluation Dense { get; } = evaluator.Evaluate(evaluator.DenseSchedule, merging, cancellation);

    /// <summary>The paper's shape: every second block.</summary>
    public MergeShape Paper { get; } =
        MergeShape.Where(evaluator.DenseSchedule.TokensPerBlock.Count, i => i % 2 == 0 || evaluator.DenseSchedule.TokensPerBlock.Count == 2);

    /// <summary>The largest speed that any simple shape reaches.</summary>
    public double FastestSpeedup => Simple().Max(FastestOf);

    public double FastestOf(MergeShape shape) => scale.SpeedupOf(scale.Fastest(shape));

    /// <summary>The shape at that speed, run over the images; null where it cannot get that fast.</summary>
    public ScheduleEvaluation? Evaluate(MergeShape shape, double speedup)
    {
        if (scale.At(shape, speedup) is not { } schedule) return null;
        string key = string.Join(' ', schedule.RemovedPerBlock);
        if (!_known.TryGetValue(key, out var evaluation)) _known[key] = evaluation = evaluator.Evaluate(schedule, merging, cancellation);
        return evaluation;
    }

    /// <summary>Descends from the best simple shape, and from <paramref name="hint"/>, while the budget lasts.</summary>
    /// <exception cref="ArgumentException">No shape gets that fast.</exception>
    public (MergeShape Shape, ScheduleEvaluation Evaluation) BestAt(double speedup, int budget, MergeShape? hint = null)
    {
        (MergeShape Shape, ScheduleEvaluation Evaluation)? best = null;
        int end = _known.Count + budget;
        foreach (var shape in hint is null ? Simple() : Simple().Prepend(hint))
            if (best is null || _known.Count < end) Try(shape);
        if (best is null)
            throw new ArgumentException(FormattableString.Invariant($"No schedule makes this network {speedup:0.##} times as fast; the fastest is ")
                + FormattableString.Invariant($"{FastestSpeedup:0.##} times as fast. Ask for less, or use a network with more blocks."), nameof(speedup));
        bool better = true;
        while (better && _known.Count < end)
        {
            better = false;
            foreach (var shape in best.Value.Shape.Neighbours())
            {
                if (_known.Count >= end) break;
                better |= Try(shape);
                if (better) break; // the neighbours are now others
            }
        }
        return best.Value;

        bool Try(MergeShape shape)
        {
            int before = _known.Count;
            if (Evaluate(shape, speedup) is not { } evaluation) return false;
            bool improved = best is not { } b || evaluation.Divergence < b.Evaluation.Divergence || double.IsNaN(b.Evaluation.Divergence);
            if (improved) best = (shape, evaluation);
            if (_known.Count > before) options.Progress?.Report(new(_known.Count, best!.Value.Evaluation));
            return improved;
        }
    }

    /// <summary>The paper's shape, merges in every block and at wider intervals, and single merges early and in the middle.</summary>
    private IEnumerable<MergeShape> Simple()
    {
        int depth = Paper.Weights.Count;
        yield return Paper;
        foreach (int interval in new[] { 1, 3, 4, 6, 8 })
            if (interval < depth) yield return MergeShape.Where(depth, i => i % interval == 0);
        foreach (int single in new[] { depth / 4, depth / 3, depth / 2 }.Distinct())
            if (single > 0) yield return MergeShape.Where(depth, i => i == single);
    }
}

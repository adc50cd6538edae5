using RMeeTo.Vim;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Samples;

/// <summary>What the user leaves open.</summary>
internal static class Recipe
{
    /// <summary>How to rebuild: the drawn pictures are few and easy to see through, so small steps at a high rate; photographs are cropped at random.</summary>
    public static RetrainOptions For(Options options)
    {
        bool drawn = options.Images is null;
        return new RetrainOptions
        {
            Epochs = options.Epochs ?? (drawn ? 10 : 3),
            BatchSize = drawn ? 16 : 32,
            LearningRate = options.LearningRate ?? (drawn ? 1e-3 : options.FromScratch ? 5e-4 : 2e-4),
            MinimumCropArea = options.SmallestCrop ?? (drawn ? 1 : 0.35), // a part of a drawn shape may look like another class
            Seed = options.Seed,
            Threads = options.Threads,
        };
    }

    /// <summary>Tokens a merge whose reduction ratio comes nearest to 0.3.</summary>
    public static int TokensPerMerge(VimConfig config) =>
        Enumerable.Range(0, config.Tokens / 2).MinBy(tokens => Math.Abs(MergeSchedule.Uniform(config, tokens).ReductionRatio - 0.3));
}

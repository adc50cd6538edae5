using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>A tiny transformer for the pictures of <see cref="TinyTask"/>.</summary>
internal static class DeitTask
{
    public static DeitConfig Config { get; } = new()
    {
        ImageHeight = 24,
        ImageWidth = 24,
        PatchSize = 4,
        Width = 16,
        Depth = 3,
        Heads = 2,
        MlpRatio = 2,
        Classes = 3,
    };

    /// <summary>Freshly initialised.</summary>
    public static DeitModel Model(int tokensPerMerge = 0, ulong seed = 1, DeitMergeOptions? merging = null) =>
        new(DeitInitializer.Create(Config, seed), ["top", "middle", "bottom"], DeitMergeSchedule.Uniform(Config, tokensPerMerge), merging);

    public static double Top1(DeitModel model, ImageSet images)
    {
        using var classifier = new DeitClassifier(model, threads: 1);
        return TinyTask.Top1(classifier, images);
    }
}

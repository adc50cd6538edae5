using RMeeTo.Vim;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>What a benchmark is run with.</summary>
/// <param name="Models">Sizes of the network.</param>
/// <param name="Ratios">Tokens removed by each merge, besides dense.</param>
/// <param name="TrainingRatios">The same for training, where every case has the memory to itself.</param>
/// <param name="Batch">Images at once.</param>
/// <param name="Rounds">Samples of each case.</param>
/// <param name="SampleSeconds">Least length of a sample.</param>
internal sealed record BenchmarkSettings(
    IReadOnlyList<(string Name, VimConfig Config)> Models, IReadOnlyList<int> Ratios, IReadOnlyList<int> TrainingRatios, int Batch, int Rounds,
    double SampleSeconds)
{
    /// <summary>Vim-Ti and Vim-S at 224 pixels, 128 images.</summary>
    public static BenchmarkSettings Default { get; } =
        new([("Vim-Ti", VimConfig.VimTiny), ("Vim-S", VimConfig.VimSmall)], [5, 10, 11, 15, 20], [5, 11], 128, 9, 0.2);

    /// <summary>A network of 37 tokens and four blocks, two images: quick wherever kernels run at all.</summary>
    public static BenchmarkSettings Smoke { get; } =
        new([("tiny", new() { ImageHeight = 48, ImageWidth = 48, PatchSize = 8, Stride = 8, Width = 16, Depth = 4, Classes = 5 })], [11], [11], 2, 1, 0);
}

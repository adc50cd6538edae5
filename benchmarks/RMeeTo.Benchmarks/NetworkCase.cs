using RMeeTo.Vim;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Benchmarks;

/// <summary>A network to time. The weights are random: time does not depend on them.</summary>
internal sealed record NetworkCase(string Name, VimConfig Config, MergeSchedule Schedule)
{
    /// <summary>96×96 pixels, patches of 8, 128 channels, 12 blocks: what a pipeline with small images of its own trains from scratch.</summary>
    public static VimConfig SmallNet { get; } = new() { ImageHeight = 96, ImageWidth = 96, PatchSize = 8, Stride = 8, Width = 128, Depth = 12, Classes = 10 };

    /// <summary>32×32 pixels, patches of 4.</summary>
    public static VimConfig IconNet { get; } = SmallNet with { ImageHeight = 32, ImageWidth = 32, PatchSize = 4, Stride = 4 };

    /// <summary>Multiply-adds of the products for one image, twice: the work that "GFLOP" counts.</summary>
    public double ProductWork
    {
        get
        {
            double token = 3.0 * Config.Width * Config.InnerWidth + 2.0 * Config.InnerWidth * (Config.ProjectionWidth + Config.TimeStepRank);
            return 2 * (token * Schedule.TokensPerBlock.Sum() + (double)Config.Patches * Config.PatchLength * Config.Width + Config.Classes * Config.Width);
        }
    }

    public static NetworkCase Dense(string name, VimConfig config) => new(name + " dense", config, MergeSchedule.Dense(config));

    public static NetworkCase Merged(string name, VimConfig config, int removed) => new($"{name} r={removed}", config, MergeSchedule.Uniform(config, removed));

    /// <summary>The same number means the same bits.</summary>
    public static uint Hash(ReadOnlySpan<float> values)
    {
        uint hash = 2166136261;
        foreach (float value in values) hash = (hash ^ BitConverter.SingleToUInt32Bits(value)) * 16777619;
        return hash;
    }
}

/// <summary>A transformer to time.</summary>
internal sealed record DeitCase(string Name, DeitConfig Config, int Removed)
{
    public DeitMergeSchedule Schedule { get; } = DeitMergeSchedule.Uniform(Config, Removed);

    /// <summary>Multiply-adds of the products for one image, those of the attention included, twice. Of the last block only the class token is projected and transformed.</summary>
    public double ProductWork
    {
        get
        {
            double c = Config.Width, attention = Schedule.AttendedPerBlock.Sum(l => l * (3 * c * c + 2 * l * c));
            double projected = Schedule.AttendedPerBlock.SkipLast(1).Sum() + 1, transformed = Schedule.TokensPerBlock.SkipLast(1).Sum() + 1;
            return 2 * (attention + projected * c * c + transformed * 2 * c * Config.MlpWidth + Config.Patches * Config.PatchLength * c + Config.Classes * c);
        }
    }
}

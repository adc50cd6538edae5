using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>The networks that real_models.json and the FLOP counts are about, by the names of the official factories.</summary>
internal static class RealModels
{
    /// <summary>The network that names and shapes describe.</summary>
    public static VimConfig Config(string factory, IReadOnlyList<CheckpointTensor> keys) =>
        VimCheckpoint.InferConfig(new Checkpoints.SmallNets.ShapesOnly(factory, keys), IsVim(factory) ? ClassTokenPosition.Middle : ClassTokenPosition.First);

    /// <summary>Our preset, or null. The official factory of the middle image network builds 24 blocks, though the published one has 32 (spec 1.3).</summary>
    public static VimConfig? Preset(string factory) => factory switch
    {
        "vim_tiny" => VimConfig.VimTiny,
        "vim_small" => VimConfig.VimSmall,
        "vim_base" => VimConfig.VimBase,
        "videomamba_tiny" => VimConfig.VideoMambaTiny,
        "videomamba_small" => VimConfig.VideoMambaSmall,
        "videomamba_middle" => VimConfig.VideoMambaMiddle,
        "videomamba_base" => VimConfig.VideoMambaBase,
        "video_videomamba_tiny" => VimConfig.VideoMambaTinyVideo,
        "video_videomamba_small" => VimConfig.VideoMambaSmallVideo,
        "video_videomamba_middle" => VimConfig.VideoMambaMiddleVideo,
        _ => null,
    };

    private static bool IsVim(string factory) => factory.StartsWith("vim_", StringComparison.Ordinal);
}

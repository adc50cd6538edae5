namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// Where the patch kernels of a network for images go in one for clips, whose patches span <see cref="VimConfig.TubeletSize"/> frames. Without effect where
/// that is 1.
/// </summary>
public enum PatchInflation
{
    /// <summary>Into the frame in the middle, number tubelet / 2 counted from 0; the others start at zero. The published default.</summary>
    Center,

    /// <summary>Into every frame, divided by their number.</summary>
    Average,
}

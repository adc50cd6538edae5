namespace RMeeTo.Vim.Images;

/// <summary>
/// The frames of a video, first to last, all of one size: any number of them, of which a network looks at some (see <see cref="FrameSampling"/>). A view on a
/// list that somebody else may own; the list may decode a frame when it is asked for it, and is asked only for frames that are looked at.
/// </summary>
public sealed class VideoClip
{
    private readonly IReadOnlyList<RgbImage> _frames;

    /// <summary>A clip of these frames, which are not copied.</summary>
    /// <param name="frames">
    /// At least one. Where a clip is looked at several times (<see cref="ClipViews"/>) or is in a list twice, several threads may read it at
    /// once.
    /// </param>
    /// <exception cref="ArgumentException">There is no frame.</exception>
    public VideoClip(IReadOnlyList<RgbImage> frames)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.Count == 0) throw new ArgumentException("The clip has no frames; it needs at least one.", nameof(frames));
        _frames = frames;
    }

    /// <summary>Number of frames.</summary>
    public int Count => _frames.Count;

    /// <summary>One frame.</summary>
    /// <param name="frame">0 … <see cref="Count"/> − 1.</param>
    public RgbImage this[int frame] => _frames[frame];
}

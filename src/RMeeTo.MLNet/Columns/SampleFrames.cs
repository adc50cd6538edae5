using System.Collections;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>
/// The frames of a clip, each decoded when it is first looked at and kept until all views have been prepared, for views share frames. Workers may prepare
/// several views of a clip at once.
/// </summary>
/// <param name="sample">The clip.</param>
/// <param name="views">How many times it is looked at.</param>
internal sealed class SampleFrames(SampleInput sample, int views) : IReadOnlyList<RgbImage>
{
    private readonly Lock _lock = new();
    private Lazy<RgbImage>[]? _frames;
    private VideoClip? _clip;
    private (int Width, int Height)? _size;
    private int _left = views;

    /// <inheritdoc/>
    public int Count => sample.Count;

    /// <summary>One frame.</summary>
    /// <exception cref="UnreadableImageException">It is missing, damaged, or of another size than the others.</exception>
    public RgbImage this[int index] => _frames![index].Value;

    /// <summary>Begins a view.</summary>
    /// <exception cref="UnreadableImageException">The clip has no frames.</exception>
    public VideoClip Open()
    {
        lock (_lock)
        {
            sample.Open();
            _frames ??= [.. Enumerable.Range(0, Count).Select(i => new Lazy<RgbImage>(() => Decode(i)))];
            return _clip ??= new VideoClip(this);
        }
    }

    /// <summary>Ends a view, whatever came of it; after the last the frames are forgotten.</summary>
    public void Close()
    {
        if (Interlocked.Decrement(ref _left) == 0) (_frames, _clip) = (null, null);
    }

    /// <inheritdoc/>
    public IEnumerator<RgbImage> GetEnumerator()
    {
        for (int i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private RgbImage Decode(int index)
    {
        var frame = sample.Decode(index);
        lock (_lock)
        {
            _size ??= (frame.Width, frame.Height);
            if (_size == (frame.Width, frame.Height)) return frame;
            sample.Fail($"it is {frame.Width}×{frame.Height} pixels and another frame of the clip {_size.Value.Width}×{_size.Value.Height}, and all must "
                + "have one size", sample[index].Name);
        }
        sample.ThrowFailure();
        return default;
    }
}

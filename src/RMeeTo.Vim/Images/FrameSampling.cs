namespace RMeeTo.Vim.Images;

/// <summary>
/// Which frames of a video a network for clips looks at: one out of each of as many segments of equal length, so that a clip spans the whole video whatever its
/// length; frames repeat where a video has fewer.
/// </summary>
/// <remarks>Spec 3.2; the sparse sampling of VideoMamba's training and evaluation code. A segment is (N − 1) / T frames long, for N frames of which T are
/// taken; halves round to the even number.</remarks>
public static class FrameSampling
{
    /// <summary>The frames of one view in evaluation: the same place in every segment.</summary>
    /// <param name="available">N, frames of the video, at least 1.</param>
    /// <param name="view">Which of the views in time, from 0.</param>
    /// <param name="views">Views in time, at least 1; a single one looks at the middle of each segment.</param>
    /// <param name="frames">[T], written: ascending, each from 0 to N − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static void Even(int available, int view, int views, Span<int> frames)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(available, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(views, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(view);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(view, views);
        double segment = (available - 1) / (double)frames.Length;
        int offset = (int)(segment / (views + 1) * (view + 1));
        for (int i = 0; i < frames.Length; i++) frames[i] = Math.Min((int)Math.Round(segment * i) + offset, available - 1);
    }

    /// <summary>Frames for training: a random one of every segment, both its ends included.</summary>
    /// <param name="available">N, frames of the video, at least 1.</param>
    /// <param name="random">Stream of random numbers.</param>
    /// <param name="frames">[T], written: each from 0 to N − 1, none before the one in front of it.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="available"/> is less than 1.</exception>
    public static void Random(int available, CounterRandom random, Span<int> frames)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(available, 1);
        double segment = (available - 1) / (double)frames.Length;
        for (int i = 0; i < frames.Length; i++)
        {
            int first = (int)Math.Round(segment * i), last = (int)Math.Round(segment * (i + 1));
            frames[i] = Math.Min(first + random.NextInt(last - first + 1), available - 1);
        }
    }
}

using System.Buffers;

namespace RMeeTo.Vim.Images;

/// <summary>Where frames come from: a clip in memory, or a sample of an <see cref="ImageStore"/>.</summary>
internal interface IFrameSource
{
    /// <summary>Number of frames.</summary>
    int Count { get; }

    /// <summary>One frame, valid until the next is read.</summary>
    RgbImage Read(int frame);
}

/// <summary>The frames of a <see cref="VideoClip"/>.</summary>
internal readonly struct ClipFrames(VideoClip clip) : IFrameSource
{
    public int Count => clip.Count;

    public RgbImage Read(int frame) => clip[frame];
}

/// <summary>The frames of one sample of a store.</summary>
internal readonly struct StoredFrames(ImageStore store, int index, ImageReadBuffer buffer) : IFrameSource
{
    public int Count => store.Frames(index);

    public RgbImage Read(int frame) => store.ReadFrame(index, frame, buffer);
}

/// <summary>Cuts one frame: [h, w, 3] to [H, W, 3].</summary>
internal delegate void FrameCutter<TState>(RgbImage frame, TState state, Span<byte> rgb);

/// <summary>Puts the frames of a clip together to network input [3, T, H, W].</summary>
internal static class ClipInput
{
    /// <summary>Cuts, normalises and places frames; scratch memory comes from the shared array pool.</summary>
    /// <param name="source">The video.</param>
    /// <param name="frames">[T] which of its frames.</param>
    /// <param name="evaluation">Size and normalisation.</param>
    /// <param name="cut">Cuts one frame.</param>
    /// <param name="state">Handed to <paramref name="cut"/>.</param>
    /// <param name="output">[3, T, H, W]</param>
    /// <exception cref="ArgumentException">Frames have different sizes, or <paramref name="output"/> has another length.</exception>
    public static void Fill<TSource, TState>(
        TSource source, ReadOnlySpan<int> frames, EvaluationPreprocessing evaluation, FrameCutter<TState> cut, TState state, Span<float> output)
        where TSource : IFrameSource
    {
        int length = evaluation.OutputLength, plane = length / 3;
        CheckOutput(output.Length, frames.Length, evaluation);
        byte[] rgb = ArrayPool<byte>.Shared.Rent(length);
        float[] planes = ArrayPool<float>.Shared.Rent(length);
        try
        {
            var size = (0, 0);
            for (int t = 0; t < frames.Length; t++)
            {
                if (t == 0 || frames[t] != frames[t - 1])
                {
                    cut(Read(source, frames, t, ref size), state, rgb.AsSpan(0, length));
                    evaluation.Normalization.Apply(rgb.AsSpan(0, length), planes.AsSpan(0, length));
                }
                for (int channel = 0; channel < 3; channel++)
                    planes.AsSpan(channel * plane, plane).CopyTo(output.Slice((channel * frames.Length + t) * plane, plane));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rgb);
            ArrayPool<float>.Shared.Return(planes);
        }
    }

    /// <summary>Cuts frames and leaves them as they are.</summary>
    /// <inheritdoc cref="Fill"/>
    /// <param name="source">The video.</param>
    /// <param name="frames">[T] which of its frames.</param>
    /// <param name="evaluation">Size.</param>
    /// <param name="cut">Cuts one frame.</param>
    /// <param name="state">Handed to <paramref name="cut"/>.</param>
    /// <param name="rgb">[T, H, W, 3]</param>
    public static void Cut<TSource, TState>(
        TSource source, ReadOnlySpan<int> frames, EvaluationPreprocessing evaluation, FrameCutter<TState> cut, TState state, Span<byte> rgb)
        where TSource : IFrameSource
    {
        int length = evaluation.OutputLength;
        CheckOutput(rgb.Length, frames.Length, evaluation);
        var size = (0, 0);
        for (int t = 0; t < frames.Length; t++)
        {
            if (t > 0 && frames[t] == frames[t - 1]) rgb.Slice((t - 1) * length, length).CopyTo(rgb.Slice(t * length, length));
            else cut(Read(source, frames, t, ref size), state, rgb.Slice(t * length, length));
        }
    }

    /// <summary>The t-th of the frames, of the size of the first.</summary>
    private static RgbImage Read<TSource>(TSource source, ReadOnlySpan<int> frames, int t, ref (int Width, int Height) size) where TSource : IFrameSource
    {
        var frame = source.Read(frames[t]);
        if (t == 0) size = (frame.Width, frame.Height);
        if ((frame.Width, frame.Height) != size)
            throw new ArgumentException($"Frame {frames[t]} of the clip is {frame.Width}×{frame.Height} pixels and frame {frames[0]} "
                + $"{size.Width}×{size.Height}; all frames of a clip must have one size.", nameof(source));
        return frame;
    }

    private static void CheckOutput(int length, int frames, EvaluationPreprocessing evaluation)
    {
        if (length != (long)evaluation.OutputLength * frames)
            throw new ArgumentException($"The output has {length} elements; [3, {frames}, {evaluation.ImageHeight}, {evaluation.ImageWidth}] "
                + $"needs {(long)evaluation.OutputLength * frames}.", "output");
    }
}

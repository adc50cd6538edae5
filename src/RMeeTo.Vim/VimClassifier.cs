using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;

namespace RMeeTo.Vim;

/// <summary>Classifies images, or clips, with a <see cref="VimModel"/>.</summary>
/// <param name="model">The network.</param>
/// <param name="threads">Thread budget; 0 means one a processor.</param>
/// <param name="device">Where to run; null means the CPU.</param>
public sealed class VimClassifier(VimModel model, int threads = 0, IVimDeviceProvider? device = null) : ImageClassifier(model, threads, device)
{
    /// <summary>Views whose results are kept before they are averaged.</summary>
    private const int InputsAtOnce = 4096;

    /// <inheritdoc/>
    public override VimModel Model => (VimModel)base.Model;

    /// <summary>Class probabilities of clips: the mean over the probabilities of all views.</summary>
    /// <param name="clips">Any sizes, any numbers of frames. A clip is asked for its frames by the workers, several views of it at once.</param>
    /// <param name="probabilities">[clips, classes], row-major; written.</param>
    /// <param name="views">How often each clip is looked at; <see cref="ClipViews.Single"/> unless given.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">There is not enough room for the probabilities, or the frames of a clip are empty or of several sizes.</exception>
    /// <exception cref="InvalidOperationException">The network is for images.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; some probabilities may have been written.</exception>
    /// <exception cref="ObjectDisposedException">The classifier is disposed.</exception>
    public void PredictClips(IReadOnlyList<VideoClip> clips, Memory<float> probabilities, ClipViews? views = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(clips);
        views ??= ClipViews.Single;
        PredictViews(clips.Count, views.Count, Filler(clips, views), probabilities, default, cancellation);
    }

    /// <summary>Class probabilities and features of clips, both the mean over all views.</summary>
    /// <inheritdoc cref="PredictClips" path="/exception"/>
    /// <param name="clips">Any sizes, any numbers of frames.</param>
    /// <param name="probabilities">[clips, classes], row-major; written.</param>
    /// <param name="features">[clips, <see cref="VimConfig.Width"/>], row-major; written.</param>
    /// <param name="views">How often each clip is looked at; <see cref="ClipViews.Single"/> unless given.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public void PredictClipsWithFeatures(
        IReadOnlyList<VideoClip> clips, Memory<float> probabilities, Memory<float> features, ClipViews? views = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(clips);
        views ??= ClipViews.Single;
        int width = Model.Config.Width;
        if (features.Length < (long)clips.Count * width)
            throw new ArgumentException($"{clips.Count} clips of {width} features need {(long)clips.Count * width} values; there is room for "
                + $"{features.Length}.", nameof(features));
        PredictViews(clips.Count, views.Count, Filler(clips, views), probabilities, features, cancellation);
    }

    private ViewFiller Filler(IReadOnlyList<VideoClip> clips, ClipViews views) => new(
        (clip, view, destination) => Model.Preprocessing.Apply(clips[clip], Model.Config.Frames, views, view, destination),
        (clip, view, destination) => Model.Preprocessing.Crop(clips[clip], Model.Config.Frames, views, view, destination));

    /// <summary>
    /// The mean results of all views of clips that the workers fetch themselves. Summed in the order of the views, so they do not depend on the workers.
    /// </summary>
    internal void PredictViews(int count, int views, ViewFiller fill, Memory<float> probabilities, Memory<float> features, CancellationToken cancellation)
    {
        int classes = Model.Config.Classes, width = Model.Config.Width;
        if (!Model.Config.IsVideo)
            throw new InvalidOperationException("This network is for images; call Predict, or use a network for clips (VimConfig.Frames).");
        if (probabilities.Length < (long)count * classes)
            throw new ArgumentException($"{count} clips of {classes} classes need {(long)count * classes} values; there is room for "
                + $"{probabilities.Length}.", nameof(probabilities));
        int block = Math.Min(count, Math.Max(1, InputsAtOnce / views));
        var allProbabilities = new float[block * views * classes];
        var allFeatures = features.IsEmpty ? [] : new float[block * views * width];
        for (int first = 0; first < count; first += block)
        {
            int clips = Math.Min(block, count - first), start = first;
            Predict(clips * views, (index, destination) => fill.Values(start + index / views, index % views, destination), allProbabilities, cancellation,
                allFeatures, (index, destination) => fill.Pixels(start + index / views, index % views, destination));
            Mean(allProbabilities, probabilities.Span[(first * classes)..], clips, views, classes);
            if (!features.IsEmpty) Mean(allFeatures, features.Span[(first * width)..], clips, views, width);
        }
    }

    /// <summary>[count, views, width] to [count, width].</summary>
    private static void Mean(ReadOnlySpan<float> all, Span<float> means, int count, int views, int width)
    {
        for (int i = 0; i < count * width; i++)
        {
            double sum = 0;
            for (int view = 0; view < views; view++) sum += all[(i / width * views + view) * width + i % width];
            means[i] = (float)(sum / views);
        }
    }
}

/// <summary>What writes the network input of one view of a clip.</summary>
/// <param name="Values">[3, T, H, W], normalised.</param>
/// <param name="Pixels">[T, H, W, 3], not normalised.</param>
internal readonly record struct ViewFiller(ViewFiller<float> Values, ViewFiller<byte> Pixels);

/// <summary>Writes one view of a clip.</summary>
internal delegate void ViewFiller<T>(int clip, int view, Span<T> destination);

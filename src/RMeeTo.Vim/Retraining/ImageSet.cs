using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>Some of the images, or clips, of a store.</summary>
/// <param name="Store">Pixels and labels.</param>
/// <param name="Indices">Which of them, 0 to the store's count − 1, each with a label.</param>
public sealed record ImageSet(ImageStore Store, IReadOnlyList<int> Indices)
{
    /// <summary>All labelled images of a store.</summary>
    public ImageSet(ImageStore store) : this(store, [.. Enumerable.Range(0, store.Count).Where(i => store.Label(i) >= 0)]) { }

    /// <summary>Number of images.</summary>
    public int Count => Indices.Count;

    /// <summary>Label of the k-th image of the set.</summary>
    public int Label(int k) => Store.Label(Indices[k]);

    /// <summary>Checks that every label is a class.</summary>
    internal void CheckLabels(int classes, string name)
    {
        for (int k = 0; k < Count; k++)
            if (Label(k) < 0 || Label(k) >= classes)
                throw new ArgumentException($"Image '{Store.Name(Indices[k])}' of the {name} images has label {Label(k)}; the network has classes 0 to {classes - 1}. Leave the image out or replace the head.");
    }

    /// <summary>Checks that no video is taken for an image.</summary>
    internal void CheckFrames(int frames, string name)
    {
        if (frames > 0) return;
        for (int k = 0; k < Count; k++)
            if (Store.Frames(Indices[k]) > 1)
                throw new ArgumentException($"Sample '{Store.Name(Indices[k])}' of the {name} images is a clip of {Store.Frames(Indices[k])} frames and the "
                    + "network takes images; use a network for clips (VimConfig.Frames), or add single images.");
    }

    /// <summary>Writes the network input of the k-th image of the set, or of one view of a clip, as in evaluation.</summary>
    internal void Prepare(int k, int frames, EvaluationPreprocessing preprocessing, ImageReadBuffer buffer, Span<float> destination)
    {
        if (frames == 0) preprocessing.Apply(Store.Read(Indices[k], buffer), destination);
        else preprocessing.Apply(new StoredFrames(Store, Indices[k], buffer), frames, ClipViews.Single, 0, destination);
    }

    /// <summary>Writes the network input of the k-th image or clip of the set, as in training. The random numbers go by its index in the store.</summary>
    internal void Prepare(int k, int frames, TrainingPreprocessing preprocessing, ImageReadBuffer buffer, Span<float> destination, ulong seed, int epoch)
    {
        int index = Indices[k];
        if (frames == 0) preprocessing.Apply(Store.Read(index, buffer), destination, seed, epoch, index);
        else preprocessing.Apply(new StoredFrames(Store, index, buffer), frames, destination, seed, epoch, index);
    }
}

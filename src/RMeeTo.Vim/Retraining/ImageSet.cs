using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>Some of the images of a store.</summary>
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
}

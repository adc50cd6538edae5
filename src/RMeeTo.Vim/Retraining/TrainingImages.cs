using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>Makes network inputs of training images: a function of the image and the epoch. Any number of threads may work at once.</summary>
/// <param name="images">The whole training set.</param>
/// <param name="preprocessing">Augmentation and normalisation.</param>
/// <param name="frames">T of a network for clips; 0 for one for images.</param>
/// <param name="seed">Seed of the run.</param>
internal sealed class TrainingImages(ImageSet images, TrainingPreprocessing preprocessing, int frames, ulong seed)
{
    /// <summary>The whole training set.</summary>
    public ImageSet Set => images;

    /// <summary>Values of one network input.</summary>
    public int InputLength { get; } = preprocessing.Evaluation.OutputLength * Math.Max(1, frames);

    /// <summary>The order of an epoch: [N] places in the set.</summary>
    public int[] Order(int epoch) => CounterRandom.Permutation(images.Count, seed, epoch);

    /// <summary>Writes the network input of an image.</summary>
    /// <param name="k">Place in the set.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="destination">[<see cref="InputLength"/>]</param>
    /// <param name="buffer">The caller's own.</param>
    public void Prepare(int k, int epoch, Span<float> destination, ImageReadBuffer buffer) =>
        images.Prepare(k, frames, preprocessing, buffer, destination, seed, epoch);

    /// <summary>What went wrong with an image, with its name.</summary>
    public Exception Named(Exception e, int k, int epoch)
    {
        string message = $"Training image '{images.Store.Name(images.Indices[k])}' could not be prepared for epoch {epoch + 1}: {e.Message}";
        return e is IOException ? new IOException(message, e) : new InvalidOperationException(message, e);
    }
}

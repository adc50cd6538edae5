using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Which images every step shows, and how they are made network inputs and mixed: all of it a function of (seed, epoch, sample). Any number of threads may
/// work at once.
/// </summary>
internal sealed class TrainingImages
{
    private readonly ImageSet _images;
    private readonly TrainingPreprocessing _preprocessing;
    private readonly int _frames;
    private readonly RetrainOptions _options;

    /// <summary>Reads nothing yet.</summary>
    /// <param name="images">The whole training set.</param>
    /// <param name="preprocessing">Augmentation and normalisation.</param>
    /// <param name="frames">T of a network for clips; 0 for one for images.</param>
    /// <param name="options">Seed, batch size, mixing and repetition.</param>
    public TrainingImages(ImageSet images, TrainingPreprocessing preprocessing, int frames, RetrainOptions options)
    {
        (_images, _preprocessing, _frames, _options) = (images, preprocessing, frames, options);
        Plan = options.EpochsOf(images.Count);
        InputLength = preprocessing.Evaluation.OutputLength * Math.Max(1, frames);
    }

    /// <summary>Samples and steps of an epoch.</summary>
    public EpochPlan Plan { get; }

    /// <summary>Values of one network input.</summary>
    public int InputLength { get; }

    /// <summary>Whether images are mixed with others of their step.</summary>
    public bool Mixes => !_options.Mix.IsNone;

    /// <summary>The order of an epoch.</summary>
    public EpochOrder Order(int epoch) => Plan.Order(_options.Seed, epoch);

    /// <summary>Which images of a step are mixed with which.</summary>
    /// <param name="images">Images of the step.</param>
    public MixGroups Groups(int images) => _options.MixGroupsOf(images);

    /// <summary>How a group of images is mixed.</summary>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="group">Number of the group in the epoch.</param>
    public BatchMix MixOf(int epoch, long group)
    {
        var input = _preprocessing.Evaluation;
        return BatchMix.Draw(CounterRandom.For(_options.Seed, epoch, group, RandomPurpose.Mix), _options.Mix, input.ImageHeight, input.ImageWidth);
    }

    /// <summary>Class of an image.</summary>
    public int Label(ShownImage image) => _images.Label(image.Image);

    /// <summary>What an image draws its random numbers by.</summary>
    public long Sample(ShownImage image) => image.Sample(_images.Indices[image.Image]);

    /// <summary>Writes the network input of an image.</summary>
    /// <param name="image">The image.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="destination">[<see cref="InputLength"/>]</param>
    /// <param name="buffer">The caller's own.</param>
    public void Prepare(ShownImage image, int epoch, Span<float> destination, ImageReadBuffer buffer) =>
        _images.Prepare(image.Image, _frames, _preprocessing, buffer, destination, _options.Seed, epoch, Sample(image));

    /// <summary>What went wrong with an image, with its name.</summary>
    public Exception Named(Exception e, ShownImage image, int epoch)
    {
        string message = $"Training image '{_images.Store.Name(_images.Indices[image.Image])}' could not be prepared for epoch {epoch + 1}: {e.Message}";
        return e is IOException ? new IOException(message, e) : new InvalidOperationException(message, e);
    }
}

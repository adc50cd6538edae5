namespace RMeeTo.Vim.Devices;

/// <summary>Makes devices of one kind. The seam between the network and the hardware that runs it.</summary>
/// <remarks>
/// What has a default here is as a processor wants it: several devices, few images each. A GPU sets <see cref="TakesWholeBatches"/>, and what follows from it.
/// A provider that holds something itself, such as a GPU, is <see cref="IDisposable"/> as well; who made it disposes it, after all that it was given to.
/// </remarks>
public interface IVimDeviceProvider
{
    /// <summary>For logs, such as "CPU (512-bit vectors)".</summary>
    string Name { get; }

    /// <summary>
    /// What the bits of results depend on; the name unless given. Two providers of one kind compute the same bits, so that of a GPU names hardware and
    /// <see cref="MatrixPrecision"/>, not the number of the GPU. Processes that train together are all of one kind.
    /// </summary>
    string Kind => Name;

    /// <summary>How many devices can usefully work at once; for the CPU as many as there are threads.</summary>
    /// <param name="threads">Threads asked for; 0 means all.</param>
    int Workers(int threads);

    /// <summary>A new device. All devices of one provider share buffers and weights.</summary>
    VimDevice CreateDevice();

    /// <summary>
    /// True where one device is quickest with all images at once, and every wait for it costs: a GPU. A training step is then one pass over the whole batch
    /// unless <see cref="Retraining.RetrainOptions.Lanes"/> cuts it, nothing is read back before its end, and images are prepared while the device computes.
    /// </summary>
    bool TakesWholeBatches => false;

    /// <summary>
    /// Images, or clips, that a device classifies at once. No result of a CPU depends on it; a GPU's library may choose another way to multiply for another
    /// size, and so other last digits. Unless given, so many that their activations stay in a core's cache, or <see cref="LargeBatch"/> where
    /// <see cref="TakesWholeBatches"/>.
    /// </summary>
    /// <param name="tokens">Tokens of one input before the first merge, at least 1.</param>
    int BatchFor(int tokens) => TakesWholeBatches ? LargeBatch(tokens) : NetworkRunner.BatchFor(tokens);

    /// <summary>A batch that keeps a GPU at work: 128 images of 197 tokens, or as many tokens of others, but at most 256 images.</summary>
    /// <param name="tokens">Tokens of one input, at least 1.</param>
    static int LargeBatch(int tokens) => Math.Clamp(128 * 197 / tokens, 1, 256);

    /// <summary>
    /// True where images are better sent as bytes and normalised there by <see cref="VimDevice.NormalizeImages"/>: a quarter of the transfer. No result
    /// depends on it.
    /// </summary>
    bool TakesImageBytes => false;

    /// <summary>
    /// Bytes that are free in the device's own memory; null where it works in the memory of the process, like the CPU. What is not known is
    /// <see cref="long.MaxValue"/>.
    /// </summary>
    long? FreeMemory => null;

    /// <summary>Why something slower runs than the hardware could, as a sentence for a warning; null where nothing does.</summary>
    string? FallbackReason => null;
}

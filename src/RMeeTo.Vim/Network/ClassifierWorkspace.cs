using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Network;

/// <summary>All activations of one worker, laid out once and used again for every batch.</summary>
public abstract class ClassifierWorkspace : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly VimDevice _device;

    /// <summary>Allocates both ends, which every network has: its input, and all between the logits and the loss.</summary>
    /// <param name="device">Where.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    /// <param name="forTraining">True: room for the backward pass.</param>
    /// <param name="inputLength">Values of one network input.</param>
    /// <param name="classes">Number of classes.</param>
    private protected ClassifierWorkspace(VimDevice device, int batchCapacity, bool forTraining, int inputLength, int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchCapacity, 1);
        (_device, BatchCapacity, ForTraining) = (device, batchCapacity, forTraining);
        Images = Matrix(batchCapacity, inputLength);
        Logits = Matrix(batchCapacity, classes);
        if (!forTraining) return;
        LogitsGradient = Matrix(batchCapacity, classes);
        Targets = Matrix(batchCapacity, classes);
        Losses = Matrix(batchCapacity, 1);
    }

    /// <summary>Largest batch.</summary>
    public int BatchCapacity { get; }

    /// <summary>True where the backward pass can run.</summary>
    public bool ForTraining { get; }

    /// <summary>
    /// Network input [B, 3·H·W]: normalised planes of red, green and blue; for clips [B, 3·T·H·W], of each colour the planes of all frames. Filled by the
    /// caller.
    /// </summary>
    public DeviceMatrix Images { get; }

    /// <summary>Network output [B, classes].</summary>
    public DeviceMatrix Logits { get; }

    /// <summary>What the head reads [B, C]: the class token after the final norm, or what the architecture has in its place.</summary>
    public abstract DeviceMatrix Features { get; }

    /// <summary>Gradient of the loss with regard to the logits [B, classes]; input of the backward pass. Training only.</summary>
    public DeviceMatrix LogitsGradient { get; }

    /// <summary>Target probabilities [B, classes]. Training only; filled by the caller.</summary>
    public DeviceMatrix Targets { get; }

    /// <summary>Loss of every image [B, 1]. Training only.</summary>
    public DeviceMatrix Losses { get; }

    /// <summary>The factors of the branches; null where none is ever dropped.</summary>
    private protected DropPathFactors? DropPath { get; init; }

    /// <summary>
    /// Says what the random choices for an image are drawn from, where the forward pass makes any: shuffled merges, and the branches that
    /// <see cref="Network.DropPath"/> takes. Until then every image has the same; at inference that never changes.
    /// </summary>
    /// <param name="image">Place of the image in the batch, 0 to <see cref="BatchCapacity"/> − 1.</param>
    /// <param name="key">Seed, epoch and sample.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public virtual void SetSampleKey(int image, SampleKey key)
    {
        if ((uint)image >= (uint)BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(image), image, $"There is no image {image} in a workspace for {BatchCapacity}; count from 0.");
        DropPath?.SetKey(image, key);
    }

    /// <summary>Makes the random choices of the next forward pass, and writes them to the device: what cannot be recorded with it.</summary>
    internal virtual void DrawChoices(int batch) => DropPath?.Draw(batch);

    /// <summary>The factors [B, 1] of an addition, by its number in the network; none where every image's is 1.</summary>
    internal DeviceMatrix BranchFactors(int addition, int batch) => DropPath is null ? default : DropPath.At(addition, batch);

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        _owned.Clear();
        GC.SuppressFinalize(this);
    }

    private protected T Own<T>(T owned) where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    private protected DeviceMatrix Matrix(int rows, int columns) => new(Own(_device.Allocate((long)rows * columns)), rows, columns);
}

/// <summary>Two matrices of one shape, read and written in turn.</summary>
internal sealed class MatrixPair(DeviceMatrix current, DeviceMatrix other)
{
    public DeviceMatrix Current { get; private set; } = current;

    public DeviceMatrix Other { get; private set; } = other;

    public void Swap() => (Current, Other) = (Other, Current);
}

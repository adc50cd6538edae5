using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

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

    /// <summary>Says what the random choices of an image are drawn from, where the network makes any; at inference that never changes.</summary>
    internal virtual void SetShuffleKey(int image, ShuffleKey key) { }

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

using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim;

/// <summary>
/// What one caller of a <see cref="BatchPipeline"/> keeps in memory: the inputs of two batches, of which one is prepared while the other is computed, and the
/// results of one. Grows with the batches.
/// </summary>
/// <param name="allocate">Allocates memory to copy from, of so many bytes.</param>
internal sealed class StagedBatches(Func<long, HostBuffer> allocate) : IDisposable
{
    private readonly HostBuffer?[] _inputs = new HostBuffer?[2];

    private float[] _probabilities = [], _features = [];

    /// <summary>Room for the inputs of a batch.</summary>
    /// <param name="slot">0 or 1.</param>
    /// <param name="bytes">How much.</param>
    public HostBuffer Inputs(int slot, long bytes)
    {
        if (_inputs[slot] is { } old)
        {
            if (old.Length >= bytes) return old;
            _inputs[slot] = null; // where there is no memory for a larger one
            old.Dispose();
        }
        return _inputs[slot] = allocate(bytes);
    }

    /// <summary>Room for the results of a batch; what is there stays there until another batch asks for more.</summary>
    /// <param name="probabilities">Number of probabilities.</param>
    /// <param name="features">Number of features.</param>
    public (Memory<float> Probabilities, Memory<float> Features) Results(int probabilities, int features)
    {
        if (_probabilities.Length < probabilities) _probabilities = new float[probabilities];
        if (_features.Length < features) _features = new float[features];
        return (_probabilities.AsMemory(0, probabilities), _features.AsMemory(0, features));
    }

    public void Dispose()
    {
        foreach (var inputs in _inputs) inputs?.Dispose();
    }
}

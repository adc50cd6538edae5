namespace RMeeTo.Vim.Checkpoints;

/// <summary>Named tensors in a file, whatever its format. Not safe for use by several threads at once.</summary>
public interface ICheckpointSource : IDisposable
{
    /// <summary>What messages call it: the file's name.</summary>
    string Name { get; }

    /// <summary>Every tensor, in the order of the file.</summary>
    IReadOnlyList<CheckpointTensor> Tensors { get; }

    /// <summary>Texts that the file carries beside its tensors; empty where its format has none.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensor of that name, or null.</summary>
    CheckpointTensor? Find(string name);

    /// <summary>Reads one tensor as single-precision numbers, row-major.</summary>
    /// <param name="name">One of <see cref="Tensors"/>.</param>
    /// <param name="destination">Exactly <see cref="CheckpointTensor.Length"/> values.</param>
    /// <exception cref="ArgumentException">There is no such tensor, or <paramref name="destination"/> has another length.</exception>
    /// <exception cref="CheckpointFormatException">The tensor is not stored as 16- or 32-bit floating-point numbers, or the file ends early.</exception>
    void Read(string name, Span<float> destination);
}

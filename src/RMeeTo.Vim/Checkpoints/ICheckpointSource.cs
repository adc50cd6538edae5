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

    /// <summary>What the reader chose, renamed or left out, a readable line each; empty where the file is taken as it is.</summary>
    IReadOnlyList<string> Notes => [];

    /// <summary>The tensor of that name, or null.</summary>
    CheckpointTensor? Find(string name);

    /// <summary>Reads one tensor as single-precision numbers, row-major.</summary>
    /// <param name="name">One of <see cref="Tensors"/>.</param>
    /// <param name="destination">Exactly <see cref="CheckpointTensor.Length"/> values.</param>
    /// <exception cref="ArgumentException">There is no such tensor, or <paramref name="destination"/> has another length.</exception>
    /// <exception cref="CheckpointFormatException">
    /// The tensor is not stored as floating-point numbers of 16, 32 or 64 bits, or the file is damaged there.
    /// </exception>
    void Read(string name, Span<float> destination);
}

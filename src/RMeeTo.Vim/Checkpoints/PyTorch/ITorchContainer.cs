namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>One of the two formats of <c>torch.save</c>: a pickle, and storages that it names.</summary>
internal interface ITorchContainer
{
    /// <summary>The object that was saved.</summary>
    object? Root { get; }

    /// <summary>The bytes of a storage, checked to be as many as the pickle says.</summary>
    /// <exception cref="CheckpointFormatException">They are not there, not whole, or damaged.</exception>
    StoredBytes Open(PickledStorage storage);

    /// <summary>Checks, without reading it, that a storage is there with as many bytes as the pickle says.</summary>
    /// <exception cref="CheckpointFormatException">It is not.</exception>
    void Check(PickledStorage storage);
}

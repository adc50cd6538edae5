namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>The messages of a reader of PyTorch's files, in one tone.</summary>
/// <param name="Source">What messages call the file.</param>
internal sealed record TorchFault(string Source)
{
    /// <summary>The file contradicts itself.</summary>
    public CheckpointFormatException Bad(string what, Exception? cause = null) =>
        new($"{Source} is not a sound PyTorch checkpoint: {what}. Get a fresh copy of the file.", cause);

    /// <summary>The file ends early.</summary>
    public CheckpointFormatException CutOff(string what) => new($"{Source} is cut off: {what}. Copy or download it again.");

    /// <summary>The file may be sound, but is of a kind that is not read.</summary>
    public CheckpointFormatException Refused(string what, string remedy) => new($"{Source} {what}. {remedy}");
}

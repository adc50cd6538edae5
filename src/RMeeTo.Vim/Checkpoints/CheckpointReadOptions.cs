namespace RMeeTo.Vim.Checkpoints;

/// <summary>Which weights of a training checkpoint are wanted, where it holds several sets.</summary>
public enum CheckpointWeights
{
    /// <summary>Those that the optimizer trained: under <c>model</c>, <c>state_dict</c> or <c>module</c>, or the file as a whole where it is a state dict
    /// itself.</summary>
    Model,

    /// <summary>Their exponential moving average, under <c>model_ema</c> or <c>state_dict_ema</c>. The published accuracy of Vim-Base (81.9 %) is that of
    /// this set.</summary>
    Ema,
}

/// <summary>What to do about Python objects in a checkpoint that are not on the reader's list of known ones. Neither choice executes anything.</summary>
public enum UnknownObjects
{
    /// <summary>Refuse the file, naming the object. Right for files of unknown origin: one that names <c>os.system</c> was made to do harm.</summary>
    Refuse,

    /// <summary>Keep an empty place for the object and read the weights beside it. For checkpoints whose training options hold classes of the project that
    /// made them.</summary>
    Skip,
}

/// <summary>How <see cref="Checkpoint.Open(string, CheckpointReadOptions?)"/> reads a file. All but PyTorch's own files hold one set of weights and nothing
/// else, so these options do not matter to them.</summary>
public sealed record CheckpointReadOptions
{
    /// <summary>Which set of weights.</summary>
    public CheckpointWeights Weights
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Weights), value, $"Weights is {(int)value}; it must be Model or Ema.");
    }

    /// <summary>What to do about unknown Python objects.</summary>
    public UnknownObjects UnknownObjects
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(UnknownObjects), value, $"UnknownObjects is {(int)value}; it must be Refuse or Skip.");
    }
}

namespace RMeeTo.Vim;

/// <summary>
/// What a random number is drawn for; part of the key of <see cref="CounterRandom"/>, so that one kind of draw never shifts another. The values are part of
/// what makes a run reproducible: add new ones, never renumber.
/// </summary>
public enum RandomPurpose : ushort
{
    /// <summary>Order of the samples in an epoch.</summary>
    Shuffle = 0,

    /// <summary>Choice of the validation samples.</summary>
    Split = 1,

    /// <summary>Initial weights; the sample is the number of the parameter.</summary>
    Initialise = 2,

    /// <summary>Position and size of a random resized crop.</summary>
    Crop = 3,

    /// <summary>Horizontal flip.</summary>
    Flip = 4,

    /// <summary>Colour and geometry operations of RandAugment.</summary>
    RandAugment = 5,

    /// <summary>Random erasing: where, and the noise.</summary>
    Erase = 6,

    /// <summary>Mixup and CutMix; the sample is the number of the mix group in the epoch.</summary>
    Mix = 7,

    /// <summary>Stochastic depth: which samples skip which block.</summary>
    DropPath = 8,

    /// <summary>Token order in the shuffling studies.</summary>
    TokenShuffle = 9,

    /// <summary>Anything of the caller's own.</summary>
    Custom = 10,

    /// <summary>Which frames of a video a clip takes.</summary>
    Frames = 11,

    /// <summary>Stochastic depth of a teacher, so that it does not lose the branches that its student loses.</summary>
    TeacherDropPath = 12,

    /// <summary>Choice of a part of the training samples.</summary>
    Subset = 13,
}

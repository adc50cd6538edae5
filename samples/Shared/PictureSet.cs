namespace RMeeTo.Samples;

/// <summary>What pictures are for; each set is drawn from a seed of its own, so no picture is in two sets.</summary>
internal enum PictureSet
{
    /// <summary>Train the demo's checkpoint.</summary>
    CheckpointTraining,

    /// <summary>Choose the checkpoint's best epoch.</summary>
    CheckpointValidation,

    /// <summary>Re-train the merged network: folder <c>train</c>.</summary>
    Train,

    /// <summary>Measure: folder <c>val</c>.</summary>
    Test,
}

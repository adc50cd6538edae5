namespace RMeeTo.MLNet;

/// <summary>What to do about a row whose image is missing or cannot be decoded.</summary>
public enum UnreadableImages
{
    /// <summary>Throw an <see cref="UnreadableImageException"/> that names the image.</summary>
    Throw,

    /// <summary>
    /// While fitting: leave the row out and count it. While transforming: keep the row, with <c>Score</c> all NaN and <c>PredictedLabel</c> missing, and count
    /// it. The counts go to the ML.NET log.
    /// </summary>
    Missing,
}

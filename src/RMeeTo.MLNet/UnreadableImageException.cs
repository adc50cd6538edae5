namespace RMeeTo.MLNet;

/// <summary>An image of a row is missing or cannot be decoded.</summary>
public sealed class UnreadableImageException : Exception
{
    /// <summary>Names the image.</summary>
    /// <param name="imageName">Path or tag of the image; empty where it has none.</param>
    /// <param name="row">Number of the row in its data view, from 0.</param>
    /// <param name="columnName">The image column.</param>
    /// <param name="reason">What is wrong with it.</param>
    /// <param name="innerException">The cause, if any.</param>
    public UnreadableImageException(string imageName, long row, string columnName, string reason, Exception? innerException = null)
        : base($"{(imageName.Length == 0 ? "The image" : $"Image '{imageName}'")} in row {row} (counted from 0) of column '{columnName}' cannot be read: "
            + $"{reason.TrimEnd('.')}. "
            + $"Mend or remove it, or set {nameof(VimMergedClassifierOptions)}.{nameof(VimMergedClassifierOptions.UnreadableImages)} to "
            + $"{nameof(UnreadableImages)}.{nameof(UnreadableImages.Missing)}.", innerException)
    {
        (ImageName, Row) = (imageName, row);
    }

    /// <summary>Path or tag of the image; empty where it has none.</summary>
    public string ImageName { get; }

    /// <summary>Number of the row in its data view, from 0.</summary>
    public long Row { get; }
}

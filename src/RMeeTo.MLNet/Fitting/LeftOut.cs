namespace RMeeTo.MLNet;

/// <summary>Counts of rows that were left out.</summary>
internal sealed class LeftOut
{
    /// <summary>Rows without a label.</summary>
    public long MissingLabels { get; set; }

    /// <summary>Rows whose image cannot be read.</summary>
    public long UnreadableImages { get; set; }

    /// <summary>Validation rows of classes that no training row has.</summary>
    public long UnknownClasses { get; set; }

    /// <summary>Name of the first image that cannot be read.</summary>
    public string FirstUnreadable { get; set; } = "";

    /// <summary>Lines for the log.</summary>
    public IEnumerable<string> Lines(string what)
    {
        if (MissingLabels > 0) yield return $"{MissingLabels} {what} rows have no label and were left out.";
        if (UnreadableImages > 0) yield return $"{UnreadableImages} {what} images could not be read and were left out, the first '{FirstUnreadable}'.";
        if (UnknownClasses > 0) yield return $"{UnknownClasses} {what} rows have classes that the training rows do not have, and were left out.";
    }
}

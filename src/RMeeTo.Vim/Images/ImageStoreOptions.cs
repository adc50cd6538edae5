namespace RMeeTo.Vim.Images;

/// <summary>Where an <see cref="ImageStore"/> keeps its images, and how large.</summary>
public sealed record ImageStoreOptions
{
    /// <summary>
    /// Images whose shorter edge is longer than this are reduced to it when they are added, bicubic; null keeps every image as it is. Less than the network
    /// needs blurs the training images; random crops of a part of a reduced image are less sharp than those of the original.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int? ShorterEdge
    {
        get;
        init => field = value is null or >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(ShorterEdge), value, $"ShorterEdge is {value}; it must be at least 1 pixel, or null.");
    } = 256;

    /// <summary>
    /// Bytes of pixels that are kept in memory; what is beyond goes to a temporary file. The default is a quarter of the memory available to the process.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public long MemoryBudget { get; init => field = CheckBudget(value, nameof(MemoryBudget)); } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;

    /// <summary>Bytes that the temporary file may grow to; 0 forbids it. The default is no limit but the disk.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public long FileBudget { get; init => field = CheckBudget(value, nameof(FileBudget)); } = long.MaxValue;

    /// <summary>Folder of the temporary file, which has to exist; null is the system's folder for such files.</summary>
    public string? TemporaryFolder { get; init; }

    private static long CheckBudget(long value, string name) =>
        value >= 0 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value} bytes; it must be at least 0.");
}

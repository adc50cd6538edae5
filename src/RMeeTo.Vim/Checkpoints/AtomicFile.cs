namespace RMeeTo.Vim.Checkpoints;

/// <summary>Writes a file so that, whatever happens, there is the whole old or the whole new one under its name.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside <paramref name="path"/>, flushes to the disk, then renames.</summary>
    /// <param name="path">The file to make or to replace.</param>
    /// <param name="write">Writes the contents; where it throws, the file is left as it was.</param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? throw new ArgumentException($"'{path}' is a folder; give the path of a file.", nameof(path));
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"'{full}' cannot be written: the folder '{folder}' does not exist. Make it first, or give another path.");
        string temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

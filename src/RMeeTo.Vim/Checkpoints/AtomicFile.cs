namespace RMeeTo.Vim.Checkpoints;

/// <summary>Writes a file so that, whatever happens, there is the whole old or the whole new one under its name.</summary>
internal static class AtomicFile
{
    private const string Extension = ".tmp";

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
        string temporary = Path.Combine(folder, $"{Prefix(full)}{Guid.NewGuid():N}{Extension}");
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

    /// <summary>Deletes what a process that was killed while it wrote <paramref name="path"/> has left beside it. Nobody else may be writing it.</summary>
    public static void DeleteRemains(string path)
    {
        string full = Path.GetFullPath(path);
        var folder = new DirectoryInfo(Path.GetDirectoryName(full)!);
        if (!folder.Exists) return;
        foreach (var file in folder.EnumerateFiles($"*{Extension}"))
        {
            string name = file.Name, prefix = Prefix(full);
            bool ours = name.Length > prefix.Length + Extension.Length && name.StartsWith(prefix, StringComparison.Ordinal)
                && Guid.TryParseExact(name[prefix.Length..^Extension.Length], "N", out _);
            if (ours) file.Delete();
        }
    }

    private static string Prefix(string full) => $".{Path.GetFileName(full)}.";
}

using Microsoft.Win32.SafeHandles;

namespace RMeeTo.Vim.Images;

/// <summary>A file that only grows and that is gone when the process ends, even when it is killed. Reading is safe on many threads, appending on one.</summary>
internal sealed class TemporaryFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly string _folder;
    private long _length;

    public TemporaryFile(string? folder)
    {
        _folder = folder ?? Path.GetTempPath();
        var path = Path.Combine(_folder, $"rmeeto-{Guid.NewGuid():N}.images");
        try
        {
            // Windows removes the file with the last handle. Unix does so for a name that is already unlinked, which DeleteOnClose alone would only do in Dispose.
            var options = OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose | FileOptions.RandomAccess : FileOptions.RandomAccess;
            _handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, options);
            if (!OperatingSystem.IsWindows())
                File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _handle?.Dispose();
            throw new IOException($"Cannot make the temporary file for images in '{_folder}': {e.Message} Set ImageStoreOptions.TemporaryFolder to a folder that can be written, or raise MemoryBudget.", e);
        }
    }

    /// <summary>Takes over a handle; for tests.</summary>
    internal TemporaryFile(SafeFileHandle handle, string folder) => (_handle, _folder) = (handle, folder);

    public long Length => Volatile.Read(ref _length);

    /// <summary>Writes at the end and returns where that was.</summary>
    public long Append(ReadOnlySpan<byte> bytes)
    {
        var offset = _length;
        try
        {
            RandomAccess.Write(_handle, bytes, offset);
        }
        catch (IOException e)
        {
            throw new IOException(
                $"The temporary file for images in '{_folder}' has {offset} bytes and cannot take {bytes.Length} more: {e.Message} Free space there, set ImageStoreOptions.TemporaryFolder to another disk, raise MemoryBudget, or lower ShorterEdge.", e);
        }

        Volatile.Write(ref _length, offset + bytes.Length);
        return offset;
    }

    /// <summary>Fills <paramref name="bytes"/> from <paramref name="offset"/> on.</summary>
    public void Read(Span<byte> bytes, long offset, string name)
    {
        while (!bytes.IsEmpty)
        {
            var read = RandomAccess.Read(_handle, bytes, offset);
            if (read == 0)
                throw new IOException($"The temporary file for images in '{_folder}' ends at byte {offset}, inside image '{name}': {bytes.Length} bytes are missing. Was the disk changed?");
            bytes = bytes[read..];
            offset += read;
        }
    }

    public void Dispose() => _handle.Dispose();
}

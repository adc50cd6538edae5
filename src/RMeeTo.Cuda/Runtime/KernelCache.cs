using System.Security.Cryptography;
using System.Text;

namespace RMeeTo.Cuda;

/// <summary>
/// Compiled kernels on disk, so that a program compiles them once and not at every start. A file that is damaged, or not ours, is compiled anew; where nothing
/// can be written or read, nothing is kept.
/// </summary>
/// <param name="compiler">Compiles what is not there; its version is part of every key.</param>
/// <param name="folder">Where files are kept; null: nowhere.</param>
internal sealed class KernelCache(ICudaCompiler compiler, string? folder)
{
    /// <summary>Environment variable with a folder instead of that of the user; an empty one means none.</summary>
    public const string Variable = "RMEETO_KERNEL_CACHE";

    private static readonly byte[] s_head = "RMeeTo kernels 1\n"u8.ToArray();

    /// <summary>The folder of this user, or null where there is none.</summary>
    public static string? DefaultFolder
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { } named) return named.Length == 0 ? null : named;
            string? caches = OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
                : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache")
                : null;
            return string.IsNullOrEmpty(caches) ? null : Path.Combine(caches, "RMeeTo", "kernels");
        }
    }

    /// <summary>The compiled form of a text: from disk, else compiled and, if that is possible, kept.</summary>
    /// <exception cref="KernelCompilationException">The text does not compile.</exception>
    public byte[] Get(string name, string source, IReadOnlyList<string> options)
    {
        string? path = folder is null ? null : Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(name.Split(' ')[0])}-{Key(source, options)}.bin");
        if (path is not null && TryRead(path) is { } kept) return kept;
        byte[] image = compiler.Compile(name, source, options).Image;
        if (path is not null) TryWrite(path, image);
        return image;
    }

    private string Key(string source, IEnumerable<string> options) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', [compiler.Version, .. options, source]))));

    /// <summary>What stands behind the head and the hash of it, if it is what was written.</summary>
    private static byte[]? TryRead(string path)
    {
        try
        {
            if (!File.Exists(path)) return null;
            ReadOnlySpan<byte> file = File.ReadAllBytes(path);
            int start = s_head.Length + SHA256.HashSizeInBytes;
            if (file.Length <= start || !file.StartsWith(s_head)) return null;
            return SHA256.HashData(file[start..]).AsSpan().SequenceEqual(file[s_head.Length..start]) ? file[start..].ToArray() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Beside the place and then moved to it: a reader finds all of it or nothing, and of several writers the last wins.</summary>
    private static void TryWrite(string path, byte[] image)
    {
        string? temporary = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            temporary = $"{path}.{Guid.NewGuid():N}";
            File.WriteAllBytes(temporary, [.. s_head, .. SHA256.HashData(image), .. image]);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            try
            {
                if (temporary is not null) File.Delete(temporary);
            }
            catch (Exception again) when (again is IOException or UnauthorizedAccessException)
            {
                // It stays; it harms nobody.
            }
        }
    }
}

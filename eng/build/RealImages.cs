using System.IO.Compression;

namespace RMeeTo.Build;

/// <summary>
/// A few real photographs for continuous integration: some of each class of the two archives in RMEETO_DATA, or in shared/data beside the repository.
/// They may not be part of the repository; where they are absent the step is left out with a message.
/// </summary>
internal static class RealImages
{
    private static readonly (string Archive, string Split, int PerClass)[] Parts = [("imagenette96-train.zip", "train", 30), ("imagenette96-val.zip", "val", 15)];

    /// <summary>Unpacks the pictures to <c>folder/train/CLASS</c> and <c>folder/val/CLASS</c>.</summary>
    /// <returns>False where the archives are absent.</returns>
    public static bool Unpack(string folder)
    {
        string source = Environment.GetEnvironmentVariable("RMEETO_DATA") is { Length: > 0 } given ? given : Path.Combine(Dotnet.Root, "..", "shared", "data");
        if (Parts.Any(part => !File.Exists(Path.Combine(source, part.Archive)))) return false;
        foreach (var (archive, split, perClass) in Parts)
        {
            using var zip = ZipFile.OpenRead(Path.Combine(source, archive));
            var chosen = zip.Entries.Where(entry => entry.Name.EndsWith(".jpg", StringComparison.OrdinalIgnoreCase)).GroupBy(ClassOf)
                .SelectMany(entries => entries.OrderBy(entry => entry.FullName, StringComparer.Ordinal).Take(perClass));
            foreach (var entry in chosen)
            {
                string target = Directory.CreateDirectory(Path.Combine(folder, split, ClassOf(entry))).FullName;
                entry.ExtractToFile(Path.Combine(target, entry.Name));
            }
        }
        return true;
    }

    private static string ClassOf(ZipArchiveEntry entry) => Path.GetFileName(Path.GetDirectoryName(entry.FullName)!);
}

using RMeeTo.Vim.Images;

namespace RMeeTo.Samples;

/// <summary>The pictures below a folder, one sub-folder a class.</summary>
/// <param name="Train">To rebuild with.</param>
/// <param name="Test">To measure with.</param>
internal sealed record PictureFolder(IReadOnlyList<Picture> Train, IReadOnlyList<Picture> Test)
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg"];

    public IReadOnlyList<string> Classes { get; } = [.. Train.Select(p => p.Label).Distinct().Order(StringComparer.Ordinal)];

    public static PictureFolder Open(string folder, ulong seed)
    {
        string train = Path.Combine(folder, "train"), test = Path.Combine(folder, "val");
        if (Directory.Exists(train) && Directory.Exists(test)) return new PictureFolder(Below(train), Below(test)).Checked(folder);
        var all = Below(folder);
        var classes = all.Select(p => p.Label).Distinct().ToList();
        var split = StratifiedSplit.Make([.. all.Select(p => classes.IndexOf(p.Label))], 0.2, seed);
        return new PictureFolder([.. split.Train.Select(i => all[i])], [.. split.Validation.Select(i => all[i])]).Checked(folder);
    }

    /// <summary>Files in order of name, so that every system sees the same rows.</summary>
    private static List<Picture> Below(string folder) =>
    [
        .. from classFolder in Directory.GetDirectories(folder).Order(StringComparer.Ordinal)
           from file in Directory.GetFiles(classFolder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
           where Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase)
           select new Picture { ImagePath = Path.GetFullPath(file), Label = Path.GetFileName(classFolder) },
    ];

    private PictureFolder Checked(string folder)
    {
        if (Classes.Count < 2)
            throw new UsageException($"'{folder}' holds pictures of {Classes.Count} classes; at least 2 are needed. Expected train/CLASS/*.jpg and val/CLASS/*.jpg, or CLASS/*.jpg.");
        if (Test.FirstOrDefault(p => !Classes.Contains(p.Label)) is { } stranger)
            throw new UsageException($"'{stranger.ImagePath}' is of class '{stranger.Label}', of which there are no pictures to train with.");
        return this;
    }
}

namespace RMeeTo.Samples;

/// <summary>Where files go: the folder that the user gave, or a temporary one, of which only the saved pipeline outlives the run.</summary>
internal sealed class WorkPlace : IDisposable
{
    private readonly bool _isTemporary, _isDrawn;

    private WorkPlace(string folder, Options options)
    {
        (Folder, _isTemporary, _isDrawn) = (folder, options.Work is null, options.Images is null);
        Pictures = options.Images ?? Path.Combine(folder, "pictures");
        Output = options.Output ?? Path.Combine(folder, "model.zip");
    }

    /// <summary>Networks and states of training.</summary>
    public string Folder { get; }

    /// <summary>Folder of pictures.</summary>
    public string Pictures { get; }

    /// <summary>The file of the pipeline.</summary>
    public string Output { get; }

    public static WorkPlace Open(Options options)
    {
        if (options.Images is { } images && !Directory.Exists(images)) throw new UsageException($"There is no folder '{images}' (looked for '{Path.GetFullPath(images)}').");
        if (options.Checkpoint is { } file && !File.Exists(file)) throw new UsageException($"There is no checkpoint '{file}' (looked for '{Path.GetFullPath(file)}').");
        string folder = options.Work is null ? Directory.CreateTempSubdirectory("rmeeto-").FullName : Directory.CreateDirectory(options.Work).FullName;
        return new WorkPlace(folder, options);
    }

    public void Dispose()
    {
        if (_isDrawn && Directory.Exists(Pictures)) Directory.Delete(Pictures, recursive: true);
        if (_isTemporary && !File.Exists(Path.Combine(Folder, "model.zip"))) Directory.Delete(Folder, recursive: true);
    }
}

namespace RMeeTo.Samples;

/// <summary>Where files go: the folder that the user gave, or a temporary one, of which only the saved pipeline outlives the run.</summary>
internal sealed class WorkPlace : IDisposable
{
    private readonly string? _drawn;

    private WorkPlace(string folder, string? drawn, string pictures, string output) => (Folder, _drawn, Pictures, Output) = (folder, drawn, pictures, output);

    /// <summary>Networks and states of training.</summary>
    public string Folder { get; }

    /// <summary>Folder of pictures.</summary>
    public string Pictures { get; }

    /// <summary>The file of the pipeline.</summary>
    public string Output { get; }

    public static WorkPlace Open(Options options)
    {
        string folder = options.Work is null ? Directory.CreateTempSubdirectory("rmeeto-").FullName : Directory.CreateDirectory(options.Work).FullName;
        string? drawn = options.Images is null ? Path.Combine(folder, "pictures") : null;
        return new WorkPlace(folder, drawn, options.Images ?? drawn!, options.Output ?? Path.Combine(folder, "model.zip"));
    }

    public void Dispose()
    {
        if (_drawn is not null && Directory.Exists(_drawn)) Directory.Delete(_drawn, recursive: true);
    }
}

using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>
/// What the network looks at in one row, apart from the row: one image, or the frames of a clip in the order of time. Filled on the thread that reads rows,
/// decoded on workers; used again for row after row.
/// </summary>
internal sealed class SampleInput
{
    private readonly List<ImageInput> _images = [];
    private string _column = "";
    private long _row;
    private string? _folder;
    private UnreadableImageException? _problem;

    /// <summary>Images; those of a folder from <see cref="Open"/> on.</summary>
    public int Count { get; private set; }

    /// <summary>One of the images.</summary>
    public ImageInput this[int index] => _images[index];

    /// <summary>Bytes that it holds.</summary>
    public long Length
    {
        get
        {
            long length = 0;
            for (int i = 0; i < Count; i++) length += _images[i].Length;
            return length;
        }
    }

    /// <summary>True where it cannot be classified: an image was found missing or damaged, or there is none.</summary>
    public bool Failed => _problem is not null || FirstFailed is not null;

    /// <summary>Path or tag of the image or of the clip's folder; of a clip without a folder that of its first frame; empty where there is none.</summary>
    public string Name => _folder ?? (Count > 0 ? _images[0].Name : "");

    /// <summary>Path or tag of what was found missing or damaged.</summary>
    public string FailedName => _problem?.ImageName ?? FirstFailed?.Name ?? "";

    private ImageInput? FirstFailed
    {
        get
        {
            for (int i = 0; i < Count; i++)
                if (_images[i].Failed) return _images[i];
            return null;
        }
    }

    /// <summary>Forgets the row before, and makes room for images.</summary>
    public void Begin(string column, long row, int count)
    {
        (_column, _row, _folder, _problem) = (column, row, null, null);
        Resize(count);
    }

    /// <summary>Takes the path of a folder of frames.</summary>
    public void SetFolder(string folder) => _folder = folder;

    /// <summary>Says why there are no images, or why those that there are do not go together.</summary>
    public void Fail(string reason, string? name = null, Exception? cause = null) => _problem ??= new(name ?? Name, _row, _column, reason, cause);

    /// <summary>Finds out which images there are. Harmless where it was called before; not to be called from two threads at once.</summary>
    /// <exception cref="UnreadableImageException">There are none.</exception>
    public void Open()
    {
        if (Count == 0 && _problem is null) List();
        if (_problem is { } problem) throw problem;
    }

    /// <summary>Decodes one image. Its own memory.</summary>
    /// <exception cref="UnreadableImageException">It is missing or damaged.</exception>
    public RgbImage Decode(int index) => _images[index].Decode();

    /// <summary>Says what is wrong with it, once it has <see cref="Failed"/>.</summary>
    /// <exception cref="UnreadableImageException">Always.</exception>
    public void ThrowFailure()
    {
        if (_problem is { } problem) throw problem;
        FirstFailed!.Decode();
    }

    private void List()
    {
        if (_folder is null)
        {
            Fail("the clip has no frames");
            return;
        }
        try
        {
            string[] files = FrameFolder.List(_folder);
            if (files.Length == 0) Fail("the folder holds no image files (.png, .jpg, .jpeg, .bmp, .webp)");
            Resize(files.Length);
            for (int i = 0; i < files.Length; i++)
            {
                _images[i].Begin(_column, _row, files[i]);
                _images[i].SetPath(files[i]);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            string reason = File.Exists(_folder) ? "it is a file, and a clip is a folder with one image file a frame"
                : failure is DirectoryNotFoundException ? "there is no such folder" : failure.Message;
            Fail(reason, cause: failure);
        }
    }

    private void Resize(int count)
    {
        while (_images.Count < count) _images.Add(new ImageInput());
        Count = count;
    }
}

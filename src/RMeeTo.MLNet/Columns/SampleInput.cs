using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>What the network looks at in one row, apart from the row: one image, or the frames of a clip in the order of time. Filled on the thread that reads rows, decoded on a worker; used again for row after row.</summary>
internal sealed class SampleInput
{
    private readonly List<ImageInput> _images = [];
    private string _column = "";
    private long _row;
    private string? _folder;

    /// <summary>Images; those of a folder from <see cref="Open"/> on.</summary>
    public int Count { get; private set; }

    /// <summary>One of the images.</summary>
    public ImageInput this[int index] => _images[index];

    /// <summary>Bytes that it holds.</summary>
    public long Length => Current.Sum(image => (long)image.Length);

    /// <summary>True where an image was found missing or damaged.</summary>
    public bool Failed => Current.Any(image => image.Failed);

    /// <summary>Path or tag of the image or of the clip's folder; of a clip without a folder that of its first frame; empty where there is none.</summary>
    public string Name => _folder ?? (Count > 0 ? _images[0].Name : "");

    /// <summary>Path or tag of the first image that was found missing or damaged.</summary>
    public string FailedName => Current.First(image => image.Failed).Name;

    /// <summary>Says what is wrong with it.</summary>
    /// <exception cref="UnreadableImageException">Always.</exception>
    public void ThrowFailure() => Current.First(image => image.Failed).Decode();

    private IEnumerable<ImageInput> Current => _images.Take(Count);

    /// <summary>Forgets the row before, and makes room for images.</summary>
    public void Begin(string column, long row, int count)
    {
        (_column, _row, _folder) = (column, row, null);
        Resize(count);
    }

    /// <summary>Takes the path of a folder of frames.</summary>
    public void SetFolder(string folder) => _folder = folder;

    /// <summary>Says why there are no images.</summary>
    public void Fail(string reason, Exception? cause = null)
    {
        Resize(1);
        _images[0].Begin(_column, _row, _folder ?? "");
        _images[0].Fail(reason, cause);
    }

    /// <summary>Finds out which images there are. Harmless where it was called before; not to be called from two threads at once.</summary>
    /// <exception cref="UnreadableImageException">There are none.</exception>
    public void Open()
    {
        if (Count == 0) List();
        if (Count == 1 && _images[0].Failed) _images[0].Decode(); // throws
    }

    /// <summary>Decodes one image. Its own memory.</summary>
    /// <exception cref="UnreadableImageException">It is missing or damaged.</exception>
    public RgbImage Decode(int index) => _images[index].Decode();

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
            if (files.Length == 0)
            {
                Fail("the folder holds no image files (.png, .jpg, .jpeg, .bmp, .webp)");
                return;
            }
            Resize(files.Length);
            for (int i = 0; i < files.Length; i++)
            {
                _images[i].Begin(_column, _row, files[i]);
                _images[i].SetPath(files[i]);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            bool isFile = File.Exists(_folder);
            Fail(isFile ? "it is a file; a clip is a folder with one image file a frame" : failure is DirectoryNotFoundException ? "there is no such folder" : failure.Message, failure);
        }
    }

    private void Resize(int count)
    {
        while (_images.Count < count) _images.Add(new ImageInput());
        Count = count;
    }
}

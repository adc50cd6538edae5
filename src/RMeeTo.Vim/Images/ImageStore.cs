namespace RMeeTo.Vim.Images;

/// <summary>A reusable block of bytes that an <see cref="ImageStore"/> reads into; one a thread.</summary>
public sealed class ImageReadBuffer
{
    private byte[] _bytes = [];

    internal Memory<byte> OfLength(int length)
    {
        if (_bytes.Length < length)
            _bytes = GC.AllocateUninitializedArray<byte>(length);
        return _bytes.AsMemory(0, length);
    }
}

/// <summary>
/// The images, or clips, of a data set as RGB bytes, reduced to what training needs, with label and name: in memory up to a budget, beyond that in a temporary
/// file that is gone when the process ends, however it ends. Random access from many threads.
/// </summary>
/// <remarks>
/// The index of an image is the number of images added before it. Add from one thread where that order has to be reproducible; reading may go on meanwhile.
/// </remarks>
public sealed class ImageStore : IDisposable
{
    private const int SlabBytes = 16 << 20;

    private readonly ImageStoreOptions _options;
    private readonly Lock _adding = new();
    private Item[] _items = new Item[64];
    private int _count;
    private byte[] _slab = [];
    private int _slabUsed;
    private TemporaryFile? _file;
    private bool _disposed;

    /// <summary>An empty store.</summary>
    /// <param name="options">Sizes and places; null takes the defaults.</param>
    public ImageStore(ImageStoreOptions? options = null) => _options = options ?? new ImageStoreOptions();

    /// <summary>Number of images; a clip counts once.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Bytes of memory taken for pixels.</summary>
    public long MemoryBytes { get; private set; }

    /// <summary>Bytes in the temporary file.</summary>
    public long FileBytes => _file?.Length ?? 0;

    /// <summary>Bytes that a number of images of one size take in a store, reduced; an upper bound where that is the largest size.</summary>
    /// <param name="count">Number of images, at least 0.</param>
    /// <param name="width">Columns before the reduction.</param>
    /// <param name="height">Rows before the reduction.</param>
    /// <param name="options">Sizes and places; null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static long EstimateBytes(long count, int width, int height, ImageStoreOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        var (reducedWidth, reducedHeight) = ReducedSize(width, height, (options ?? new ImageStoreOptions()).ShorterEdge);
        return checked(3L * reducedWidth * reducedHeight * count);
    }

    /// <summary>The image as the store would keep it: reduced so that its shorter edge is at most <see cref="ImageStoreOptions.ShorterEdge"/>.</summary>
    /// <remarks>
    /// <see cref="Add(RgbImage, int, string?)"/> and <see cref="AddClip"/> do this too; workers that decode in parallel call it themselves and leave only the
    /// adding to the thread that keeps the order.
    /// </remarks>
    /// <param name="image">[h, w, 3].</param>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty.</exception>
    public RgbImage Reduce(RgbImage image)
    {
        image.ThrowIfEmpty(nameof(image));
        var (width, height) = ReducedSize(image.Width, image.Height, _options.ShorterEdge);
        return width == image.Width && height == image.Height ? image : PillowResize.Resize(image, width, height);
    }

    /// <summary>Adds an image; its pixels are copied.</summary>
    /// <param name="image">[h, w, 3]; see <see cref="Reduce"/>.</param>
    /// <param name="label">Class, 0 … ; −1 where it is missing.</param>
    /// <param name="name">What to call the image in messages: a path or a tag.</param>
    /// <returns>Index of the image.</returns>
    /// <exception cref="ArgumentException"><paramref name="image"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="label"/> is less than −1.</exception>
    /// <exception cref="InvalidOperationException">Memory and file budget are used up.</exception>
    /// <exception cref="IOException">The temporary file cannot be made or has no room on the disk; the store stays usable, without this image.</exception>
    public int Add(RgbImage image, int label = -1, string? name = null)
    {
        return Add([Reduce(image)], label, name);
    }

    /// <summary>Adds a clip as one sample; the pixels of all its frames are copied.</summary>
    /// <param name="clip">Frames of one size; see <see cref="Reduce"/>.</param>
    /// <param name="label">Class, 0 … ; −1 where it is missing.</param>
    /// <param name="name">What to call the clip in messages: a path or a tag.</param>
    /// <returns>Index of the clip.</returns>
    /// <remarks>A clip takes as many bytes as its frames (see <see cref="EstimateBytes"/>); sample long videos before, for training looks at
    /// <see cref="VimConfig.Frames"/> of them at a time.</remarks>
    /// <exception cref="ArgumentException">A frame is empty, or its size differs from that of the first; or the clip is larger than an array can
    /// be.</exception>
    /// <inheritdoc cref="Add(RgbImage, int, string?)" path="/exception[position() > 1]"/>
    public int AddClip(VideoClip clip, int label = -1, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(clip);
        var frames = new RgbImage[clip.Count];
        var (width, height) = (clip[0].Width, clip[0].Height);
        for (int i = 0; i < frames.Length; i++)
        {
            var frame = clip[i];
            if ((frame.Width, frame.Height) != (width, height))
                throw new ArgumentException($"Frame {i} of clip '{name}' is {frame.Width}×{frame.Height} pixels and frame 0 {width}×{height}; all frames of "
                    + "a clip must have one size.", nameof(clip));
            frames[i] = Reduce(frame);
        }
        if (frames.Length * (long)frames[0].Pixels.Length > Array.MaxLength)
            throw new ArgumentException($"Clip '{name}' has {frames.Length} frames of {frames[0].Pixels.Length} bytes, more than an array holds; take fewer "
                + "frames or a smaller ShorterEdge.", nameof(clip));
        return Add(frames, label, name);
    }

    private int Add(ReadOnlySpan<RgbImage> frames, int label, string? name)
    {
        if (label < -1)
            throw new ArgumentOutOfRangeException(nameof(label), label, $"Label {label} of '{name}' is less than −1; classes count from 0, and −1 is a missing label.");
        lock (_adding)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var item = Keep(frames, label, name ?? "");
            if (_count == _items.Length)
                Volatile.Write(ref _items, Grown(_items));
            _items[_count] = item;
            // A reader takes the count first and the array then, so whatever it counts it finds.
            Volatile.Write(ref _count, _count + 1);
            return _count - 1;
        }
    }

    /// <summary>Frames of a sample: 1 for an image.</summary>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public int Frames(int index) => At(index).Frames;

    /// <summary>One image, or the first frame of a clip, without a copy where it is in memory.</summary>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    /// <param name="buffer">Takes the pixels of an image that is in the file. The result is valid until this buffer is used again.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    /// <exception cref="IOException">The temporary file cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The store is disposed.</exception>
    public RgbImage Read(int index, ImageReadBuffer buffer) => ReadFrame(index, 0, buffer);

    /// <summary>One frame of a clip, without a copy where it is in memory; no other frame is read.</summary>
    /// <inheritdoc cref="Read(int, ImageReadBuffer)" path="/exception"/>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    /// <param name="frame">0 … <see cref="Frames"/> − 1.</param>
    /// <param name="buffer">Takes the pixels of a frame that is in the file. The result is valid until this buffer is used again.</param>
    public RgbImage ReadFrame(int index, int frame, ImageReadBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        var item = At(index);
        if ((uint)frame >= (uint)item.Frames)
            throw new ArgumentOutOfRangeException(nameof(frame), frame, $"Sample '{item.Name}' has {item.Frames} frames; there is no frame {frame}.");
        long offset = item.Offset + (long)frame * item.FrameBytes;
        if (item.Slab is not null)
            return new RgbImage(item.Slab.AsMemory((int)offset, item.FrameBytes), item.Width, item.Height);
        var pixels = buffer.OfLength(item.FrameBytes);
        _file!.Read(pixels.Span, offset, item.Name);
        return new RgbImage(pixels, item.Width, item.Height);
    }

    /// <summary>One image that stays valid as long as it is referenced; allocates where the image is in the file.</summary>
    /// <inheritdoc cref="Read(int, ImageReadBuffer)" path="/exception"/>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    public RgbImage Read(int index) => Read(index, new ImageReadBuffer());

    /// <summary>Class of an image; −1 where it is missing.</summary>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public int Label(int index) => At(index).Label;

    /// <summary>Name of an image, for messages; empty where none was given.</summary>
    /// <param name="index">0 … <see cref="Count"/>−1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public string Name(int index) => At(index).Name;

    /// <summary>The class of every image: [<see cref="Count"/>], −1 where it is missing.</summary>
    public int[] Labels()
    {
        var labels = new int[Count];
        for (var i = 0; i < labels.Length; i++)
            labels[i] = At(i).Label;
        return labels;
    }

    /// <summary>
    /// Number of images of each class: [highest class + 1], or [<paramref name="classCount"/>] where that is more. Missing labels are not counted.
    /// </summary>
    /// <param name="classCount">Least number of classes.</param>
    public int[] ClassCounts(int classCount = 0)
    {
        var labels = Labels();
        var counts = new int[Math.Max(classCount, labels.Length == 0 ? 0 : labels.Max() + 1)];
        foreach (var label in labels)
        {
            if (label >= 0)
                counts[label]++;
        }

        return counts;
    }

    /// <summary>Parts the images at random into training and validation, class by class; see <see cref="StratifiedSplit"/>.</summary>
    /// <inheritdoc cref="StratifiedSplit.Make" path="/param[@name='fraction']"/>
    /// <inheritdoc cref="StratifiedSplit.Make" path="/param[@name='seed']"/>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fraction"/> is out of range.</exception>
    public StratifiedSplit Split(double fraction, ulong seed) => StratifiedSplit.Make(Labels(), fraction, seed);

    /// <summary>Frees the memory and removes the temporary file. No read may be under way.</summary>
    public void Dispose()
    {
        lock (_adding)
        {
            _disposed = true;
            Volatile.Write(ref _count, 0);
            _items = [];
            _slab = [];
            MemoryBytes = 0;
            _file?.Dispose();
            _file = null;
        }
    }

    private static (int Width, int Height) ReducedSize(int width, int height, int? shorterEdge)
    {
        if (shorterEdge is not { } edge || Math.Min(width, height) <= edge)
            return (width, height);
        var (reducedWidth, reducedHeight) = EvaluationPreprocessing.Cover(width, height, edge, edge);
        return ((int)reducedWidth, (int)reducedHeight);
    }

    private static Item[] Grown(Item[] items)
    {
        var grown = new Item[2 * items.Length];
        items.CopyTo(grown, 0);
        return grown;
    }

    private Item At(int index)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var count = Count;
        if ((uint)index >= (uint)count)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"There is no image {index}; the store holds {count}, counted from 0.");
        return Volatile.Read(ref _items)[index];
    }

    private Item Keep(ReadOnlySpan<RgbImage> frames, int label, string name)
    {
        var bytes = frames.Length * frames[0].Pixels.Length;
        if (FitsMemory(bytes))
        {
            var start = _slabUsed;
            foreach (var frame in frames)
            {
                frame.Pixels.Span.CopyTo(_slab.AsSpan(_slabUsed));
                _slabUsed += frame.Pixels.Length;
            }

            return new Item(_slab, start, frames[0].Width, frames[0].Height, frames.Length, label, name);
        }

        if (bytes > _options.FileBudget - FileBytes)
            throw new InvalidOperationException(
                $"Image '{name}' needs {bytes} bytes, but the budgets of the store are used up: {MemoryBytes} of {_options.MemoryBudget} bytes in memory, "
                    + $"{FileBytes} of {_options.FileBudget} in the temporary file, {_count} images. Raise MemoryBudget or FileBudget, or lower ShorterEdge "
                    + $"({_options.ShorterEdge?.ToString() ?? "none"}).");
        _file ??= new TemporaryFile(_options.TemporaryFolder);
        var offset = _file.Append(frames[0].Pixels.Span);
        foreach (var frame in frames[1..])
            _file.Append(frame.Pixels.Span);
        return new Item(null, offset, frames[0].Width, frames[0].Height, frames.Length, label, name);
    }

    /// <summary>Makes room in the slab, unless the budget is used up.</summary>
    private bool FitsMemory(int bytes)
    {
        if (bytes <= _slab.Length - _slabUsed)
            return true;
        var left = _options.MemoryBudget - MemoryBytes;
        if (bytes > left)
            return false;
        // Many images share an array, for the collector's sake; what is left of an array that cannot take the next image is given up.
        _slab = GC.AllocateUninitializedArray<byte>((int)Math.Max(bytes, Math.Min(SlabBytes, left)));
        _slabUsed = 0;
        MemoryBytes += _slab.Length;
        return true;
    }

    private sealed record Item(byte[]? Slab, long Offset, int Width, int Height, int Frames, int Label, string Name)
    {
        public int FrameBytes => 3 * Width * Height;
    }
}

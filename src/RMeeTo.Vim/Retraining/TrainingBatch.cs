using System.Runtime.ExceptionServices;
using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// The network inputs of one step while they are prepared and used. Loaders claim its images one by one; a worker that needs an image that nobody has claimed
/// prepares it itself, so that nobody waits while there is work. An image is a function of (seed, epoch, sample): who prepares it, and when, changes nothing.
/// </summary>
/// <param name="source">Prepares images.</param>
/// <param name="capacity">Largest number of images.</param>
internal sealed class TrainingBatch(TrainingImages source, int capacity)
{
    private readonly object _gate = new(); // a Lock cannot be waited on
    private readonly ImageState[] _states = new ImageState[capacity];
    // Rows of their own: a large batch of large images has more values than an array takes, and rows that this process does not need take no memory.
    private readonly float[]?[] _inputs = new float[capacity][];
    private ReadOnlyMemory<int> _images;
    private int _next;
    private ExceptionDispatchInfo? _failure;

    private enum ImageState : byte
    {
        NotNeeded,
        Waiting,
        Claimed,
        Ready,
    }

    /// <summary>Epoch of the step, from 0.</summary>
    public int Epoch { get; private set; }

    /// <summary>B, images of the step.</summary>
    public int Count => _images.Length;

    /// <summary>Begins another step; the one before must be done.</summary>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="images">[B] places in the training set.</param>
    /// <param name="needed">Which of the B are needed here.</param>
    public void Begin(int epoch, ReadOnlyMemory<int> images, Range needed)
    {
        lock (_gate)
        {
            (Epoch, _images, _next) = (epoch, images, 0);
            _states.AsSpan().Clear();
            _states.AsSpan(0, images.Length)[needed].Fill(ImageState.Waiting);
        }
    }

    /// <summary>Number that an image of the step draws its random numbers by.</summary>
    public int Sample(int position) => source.Set.Indices[Image(position)];

    /// <summary>Class of an image of the step.</summary>
    public int Label(int position) => source.Set.Label(Image(position));

    /// <summary>Prepares the next image that nobody has claimed.</summary>
    /// <returns>False where there is none.</returns>
    public bool PrepareNext(ImageReadBuffer buffer)
    {
        int position;
        lock (_gate)
        {
            while (_next < Count && _states[_next] != ImageState.Waiting) _next++;
            if (_next == Count) return false;
            position = _next++;
            _states[position] = ImageState.Claimed;
        }
        Prepare(position, buffer);
        return true;
    }

    /// <summary>The network input of an image, prepared here where nobody has begun to; waits for it where somebody has.</summary>
    /// <returns>[3, H, W], or [3, T, H, W]; valid until the next <see cref="Begin"/>.</returns>
    /// <exception cref="IOException">An image of the step cannot be read; the message names it.</exception>
    /// <exception cref="InvalidOperationException">An image of the step cannot be prepared for another reason; the message names it.</exception>
    public ReadOnlySpan<float> Input(int position, ImageReadBuffer buffer)
    {
        bool mine;
        lock (_gate)
        {
            mine = _states[position] == ImageState.Waiting;
            if (mine) _states[position] = ImageState.Claimed;
            else while (_states[position] == ImageState.Claimed) Monitor.Wait(_gate);
        }
        if (mine) Prepare(position, buffer);
        _failure?.Throw();
        return _inputs[position];
    }

    /// <summary>Place in the training set.</summary>
    private int Image(int position) => _images.Span[position];

    private void Prepare(int position, ImageReadBuffer buffer)
    {
        ExceptionDispatchInfo? failure = null;
        try
        {
            source.Prepare(Image(position), Epoch, _inputs[position] ??= GC.AllocateUninitializedArray<float>(source.InputLength), buffer);
        }
        catch (Exception e)
        {
            failure = ExceptionDispatchInfo.Capture(source.Named(e, Image(position), Epoch)); // it is thrown where the image is needed
        }
        lock (_gate)
        {
            _failure ??= failure;
            _states[position] = ImageState.Ready;
            Monitor.PulseAll(_gate);
        }
    }
}

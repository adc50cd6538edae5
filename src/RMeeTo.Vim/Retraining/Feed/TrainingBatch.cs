using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// The network inputs of one step while they are prepared and used. Loaders claim its images one by one; a worker that needs an image that nobody has claimed
/// prepares it itself, so that nobody waits while there is work. Images are mixed when a worker asks for them, for that takes two of them; or, where a device
/// takes all inputs at once, in place by whoever prepares the second of a pair.
/// </summary>
/// <remarks>An image is a function of (seed, epoch, sample): who prepares it, and when, changes nothing.</remarks>
internal sealed class TrainingBatch : IDisposable
{
    private readonly object _gate = new(); // a Lock cannot be waited on
    private readonly TrainingImages _source;
    private readonly ImageState[] _states;
    // Rows of their own: a large batch of large images has more values than an array takes, and rows that this process does not need take no memory.
    private readonly float[]?[] _inputs;
    private readonly HostBuffer? _staged; // all rows, where a device takes them at once
    private readonly BatchMix[] _mixes;
    private MixGroups _groups;
    private EpochOrder? _order;
    private int _first;
    private int _next;
    private int _missing;
    private Failure? _failure;

    /// <summary>Room for a full step; an image takes memory when it is first prepared.</summary>
    /// <param name="source">Says which images there are, and prepares them.</param>
    /// <param name="staging">
    /// The device that takes all inputs at once (<see cref="Complete"/>); null: they are asked for one by one (<see cref="Input"/>).
    /// </param>
    public TrainingBatch(TrainingImages source, VimDevice? staging = null)
    {
        _source = source;
        int capacity = Math.Min(source.Plan.BatchSize, source.Plan.Samples);
        (_states, _inputs, _mixes) = (new ImageState[capacity], new float[capacity][], new BatchMix[source.Groups(capacity).Count]);
        _staged = staging?.AllocateHost((long)capacity * source.InputLength * sizeof(float));
    }

    private enum ImageState : byte
    {
        NotNeeded,
        Waiting,
        Claimed,
        Unmixed,
        Ready,
    }

    /// <summary>Epoch of the step, from 0.</summary>
    public int Epoch { get; private set; }

    /// <summary>B, images of the step.</summary>
    public int Count { get; private set; }

    /// <summary>Begins another step; the one before must be done.</summary>
    /// <param name="order">Order of the epoch.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="step">Step of the epoch, from 0.</param>
    /// <param name="lanes">Those that are computed here: their images are needed, and what these are mixed with.</param>
    public void Begin(EpochOrder order, int epoch, int step, LaneRange lanes)
    {
        lock (_gate)
        {
            (_order, Epoch, _next) = (order, epoch, 0);
            (_first, Count) = order.Plan.Batch(step);
            _groups = _source.Groups(Count);
            for (int g = 0; g < _mixes.Length; g++) _mixes[g] = _source.Mixes ? _source.MixOf(epoch, (long)step * _mixes.Length + g) : default;
            _states.AsSpan().Clear();
            var (first, end) = lanes.Images(Count);
            for (int i = first; i < end; i++)
            {
                _states[i] = ImageState.Waiting;
                if (MixOf(i).Kind != MixKind.None) _states[_groups.PartnerOf(i)] = ImageState.Waiting;
            }
            _missing = _states.AsSpan(0, Count).Count(ImageState.Waiting);
        }
    }

    /// <summary>What an image of the step draws its random numbers by.</summary>
    public long Sample(int position) => _source.Sample(Image(position));

    /// <summary>Class of an image of the step; of a mixed one, that of which it has more.</summary>
    public int Label(int position) => _source.Label(Image(MixOf(position).Lambda < 0.5 ? _groups.PartnerOf(position) : position));

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

    /// <summary>The network input of an image, mixed where it is to be.</summary>
    /// <param name="position">0 … <see cref="Count"/> − 1, in one of the lanes.</param>
    /// <param name="mixed">[3, H, W], or [3, T, H, W]: room for a mixed image; not used where nothing is ever mixed.</param>
    /// <param name="buffer">The caller's own.</param>
    /// <returns>The shape of <paramref name="mixed"/>; valid until that is used again, and until the next <see cref="Begin"/>.</returns>
    /// <exception cref="IOException">An image of the step cannot be read; the message names it.</exception>
    /// <exception cref="InvalidOperationException">An image of the step cannot be prepared for another reason; the message names it.</exception>
    public ReadOnlySpan<float> Input(int position, Span<float> mixed, ImageReadBuffer buffer)
    {
        var own = Unmixed(position, buffer);
        var mix = MixOf(position);
        if (mix.Kind == MixKind.None) return own;
        mix.Apply(own, Unmixed(_groups.PartnerOf(position), buffer), mixed);
        return mixed;
    }

    /// <summary>
    /// The network inputs of all images of the lanes, mixed where they are to be, once the last is there: prepares those that nobody has begun.
    /// </summary>
    /// <param name="buffer">The caller's own.</param>
    /// <param name="cancellation">Looked at between images.</param>
    /// <returns>[<see cref="Count"/>, values of an input], floats; valid until the next <see cref="Begin"/>. Of any content outside of the lanes.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <inheritdoc cref="Input" path="/exception"/>
    public HostBuffer Complete(ImageReadBuffer buffer, CancellationToken cancellation)
    {
        while (PrepareNext(buffer)) cancellation.ThrowIfCancellationRequested();
        lock (_gate)
            while (_missing > 0) Monitor.Wait(_gate);
        ThrowFailure();
        return _staged!;
    }

    /// <summary>Frees the memory; nobody may be preparing images.</summary>
    public void Dispose() => _staged?.Dispose();

    /// <summary>Writes the target of an image, mixed like the image.</summary>
    /// <param name="position">0 … <see cref="Count"/> − 1.</param>
    /// <param name="smoothing">Share that is spread over all classes.</param>
    /// <param name="target">[classes]</param>
    public void FillTarget(int position, double smoothing, Span<float> target) =>
        MixOf(position).FillTarget(_source.Label(Image(position)), _source.Label(Image(_groups.PartnerOf(position))), smoothing, target);

    private ShownImage Image(int position) => _order![_first + position];

    private BatchMix MixOf(int position) => _mixes[_groups.GroupOf(position)];

    /// <summary>An image, prepared here where nobody has begun to; waits for it where somebody has.</summary>
    private ReadOnlySpan<float> Unmixed(int position, ImageReadBuffer buffer)
    {
        bool mine;
        lock (_gate)
        {
            mine = _states[position] == ImageState.Waiting;
            if (mine) _states[position] = ImageState.Claimed;
            else while (_states[position] == ImageState.Claimed) Monitor.Wait(_gate);
        }
        if (mine) Prepare(position, buffer);
        ThrowFailure();
        return Row(position);
    }

    private void ThrowFailure()
    {
        if (Volatile.Read(ref _failure) is { } failure) throw _source.Named(failure.Exception, failure.Image, Epoch);
    }

    private Span<float> Row(int position)
    {
        int length = _source.InputLength;
        return _staged is null ? _inputs[position] ??= GC.AllocateUninitializedArray<float>(length) : _staged.Floats((long)position * length, length);
    }

    private void Prepare(int position, ImageReadBuffer buffer)
    {
        Failure? failure = null;
        try
        {
            _source.Prepare(Image(position), Epoch, Row(position), buffer);
        }
        catch (Exception e)
        {
            failure = new Failure(e, Image(position)); // it is thrown to who needs the image
        }
        bool mixes = _staged is not null && MixOf(position).Kind != MixKind.None;
        int partner = mixes ? _groups.PartnerOf(position) : position;
        lock (_gate)
        {
            _failure ??= failure;
            if (mixes)
            {
                _states[position] = ImageState.Unmixed;
                if (_states[partner] != ImageState.Unmixed) return; // whoever prepares the partner mixes both
            }
            else SetReady(position);
        }
        if (!mixes) return;
        MixOf(position).ApplyToPair(Row(position), Row(partner));
        lock (_gate)
        {
            SetReady(position);
            if (partner != position) SetReady(partner);
        }
    }

    private void SetReady(int position)
    {
        _states[position] = ImageState.Ready;
        _missing--;
        Monitor.PulseAll(_gate);
    }

    /// <summary>What went wrong with an image; an object, so that who reads it without the gate sees all of it.</summary>
    private sealed record Failure(Exception Exception, ShownImage Image);
}

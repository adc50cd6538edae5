namespace RMeeTo.Vim.Devices;

/// <summary>
/// Passes of one kind on one device, which may record them (<see cref="VimDevice.Run"/>): one record for each set of numbers that operators are given, such as
/// the images of a batch. The least recently used is forgotten where there are many.
/// </summary>
/// <typeparam name="TKey">All that differs from pass to pass in what operators are called with.</typeparam>
/// <param name="device">The caller's.</param>
/// <param name="isRecordable">False: the operators are called every time.</param>
/// <param name="operators">Calls the operators of a pass.</param>
/// <param name="capacity">Passes that are known at once, at least 1. Where more take turns than that, none is ever repeated.</param>
internal sealed class RecordedPasses<TKey>(VimDevice device, bool isRecordable, Action<TKey> operators, int capacity) : IDisposable
    where TKey : IEquatable<TKey>
{
    private readonly List<Pass> _passes = new(capacity); // most recently used first

    /// <summary>Runs a pass.</summary>
    public void Run(TKey key)
    {
        if (!isRecordable)
        {
            operators(key);
            return;
        }
        var pass = Take(key);
        _passes.Insert(0, pass);
        device.Run(ref pass.Recording, pass.Operators);
    }

    /// <summary>Forgets all records.</summary>
    public void Dispose()
    {
        foreach (var pass in _passes) pass.Recording?.Dispose();
        _passes.Clear();
    }

    /// <summary>The pass of a key, old or new, taken out of the list.</summary>
    private Pass Take(TKey key)
    {
        for (int place = 0; place < _passes.Count; place++)
            if (_passes[place].Key.Equals(key)) return TakeAt(place);
        if (_passes.Count == capacity) TakeAt(capacity - 1).Recording?.Dispose();
        return new Pass(key, operators);
    }

    private Pass TakeAt(int place)
    {
        var pass = _passes[place];
        _passes.RemoveAt(place);
        return pass;
    }

    private sealed class Pass(TKey key, Action<TKey> operators)
    {
        public IDisposable? Recording; // handed out by reference

        public TKey Key => key;

        public Action Operators { get; } = () => operators(key);
    }
}

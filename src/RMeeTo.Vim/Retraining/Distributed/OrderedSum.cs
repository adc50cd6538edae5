using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// Sums the lanes of all processes in the order of the lanes, bit for bit as one process with all lanes does: ((lane 0 + lane 1) + lane 2) + …
/// </summary>
/// <remarks>
/// The lanes lie contiguously over the processes, so the sum wanders up from process 0: every process adds its lanes to what the one before has, and sends it
/// on; the last has the sum and sends it down again. It wanders in chunks, so that all processes add, and both directions of every link carry values, at the
/// same time; a value passes every link once up and once down, whatever the number of processes.
/// </remarks>
internal sealed class OrderedSum : IDisposable
{
    private const int DefaultChunk = 1 << 18;
    private const int Range = 1 << 16;

    private readonly IProcessGroup _group;
    private readonly WorkerTeam _team;
    private readonly VimDevice[] _devices;
    private readonly DeviceBuffer[] _lanes;
    private readonly DeviceBuffer[] _sources;
    private readonly DeviceBuffer _sum;
    private readonly float[] _chunk;
    private readonly int _range;
    private readonly Action<int, int> _add;
    private readonly Action<int, int> _clear;
    private long _addOffset;
    private int _addCount;

    /// <summary>Allocates a device a thread and, except in process 0, a buffer as long as a lane.</summary>
    /// <param name="group">More than one process.</param>
    /// <param name="team">Threads that add.</param>
    /// <param name="provider">Makes one device a thread.</param>
    /// <param name="lanes">This process's lanes, at least one, all of the same length.</param>
    /// <param name="chunk">Values that are sent at once.</param>
    public OrderedSum(IProcessGroup group, WorkerTeam team, IVimDeviceProvider provider, IReadOnlyList<DeviceBuffer> lanes, int chunk = DefaultChunk)
    {
        (_group, _team, _lanes) = (group, team, [.. lanes]);
        _devices = new VimDevice[team.Workers];
        for (int i = 0; i < _devices.Length; i++) _devices[i] = provider.CreateDevice();
        // In process 0 the sum begins with lane 0 and is left there, as in a process alone; in the others with what the processes before have.
        _sum = group.Rank == 0 ? _lanes[0] : _devices[0].Allocate(lanes[0].Length);
        _sources = group.Rank == 0 ? _lanes : [_sum, .. _lanes];
        _chunk = new float[Math.Min(chunk, _sum.Length)];
        _range = provider.TakesWholeBatches ? _chunk.Length : Range; // a GPU shares a range among its threads itself
        (_add, _clear) = (Add, Clear);
        Result = [_sum];
    }

    /// <summary>The sum, as the only lane there is.</summary>
    public IReadOnlyList<DeviceBuffer> Result { get; }

    /// <summary>Sums the lanes of all processes; every process has the sum in <see cref="Result"/> afterwards.</summary>
    /// <param name="goesOn">
    /// Whether more will be added to the lanes, and summed again: then those of all processes are cleared, but lane 0 of process 0, which is the sum.
    /// </param>
    /// <exception cref="ProcessGroupException">
    /// Another process, or the way to it, is lost. Or the device failed here: then the others, in the middle of the sum, cannot be told.
    /// </exception>
    public void Run(bool goesOn = false)
    {
        try
        {
            Wander();
        }
        catch (Exception e) when (e is not ProcessGroupException)
        {
            _group.Abandon();
            throw new ProcessGroupException(
                $"Process {_group.Rank} of {_group.Size} failed when gradients were summed: {e.Message} {_group.Advice}".TrimEnd(), e);
        }
        if (goesOn) _team.Run(_lanes.Length, _clear);
    }

    public void Dispose()
    {
        if (_group.Rank > 0) _sum.Dispose();
        foreach (var device in _devices) device.Dispose();
    }

    private void Wander()
    {
        int chunks = checked((int)((_sum.Length + _chunk.Length - 1) / _chunk.Length));
        // Chunks that this process sends up before the first comes down: the way up to the last process and back. With less it would wait for them idly.
        int lead = Math.Min(chunks, 2 * (_group.Size - 1 - _group.Rank));
        for (int step = 0; step < chunks + lead; step++)
        {
            if (step < chunks) Up(step);
            if (step >= lead) Down(step - lead);
        }
        _group.Flush();
    }

    private void Up(int chunk)
    {
        var (offset, count) = Bounds(chunk);
        var values = _chunk.AsSpan(0, count);
        if (_group.Rank > 0)
        {
            _group.Receive(MemoryMarshal.AsBytes(values), _group.Rank - 1);
            _sum.Write(values, offset);
        }
        (_addOffset, _addCount) = (offset, count);
        _team.Run((count + _range - 1) / _range, _add);
        if (_group.Rank == _group.Size - 1) return;
        _sum.Read(values, offset);
        _group.Send(MemoryMarshal.AsBytes(values), _group.Rank + 1);
    }

    private void Down(int chunk)
    {
        var (offset, count) = Bounds(chunk);
        var values = _chunk.AsSpan(0, count);
        if (_group.Rank == _group.Size - 1) _sum.Read(values, offset);
        else
        {
            _group.Receive(MemoryMarshal.AsBytes(values), _group.Rank + 1);
            _sum.Write(values, offset);
        }
        if (_group.Rank > 0) _group.Send(MemoryMarshal.AsBytes(values), _group.Rank - 1);
    }

    private void Add(int worker, int range)
    {
        long start = (long)range * _range;
        _devices[worker].SumBuffers(_sum, _sources, _addOffset + start, Math.Min(_range, _addCount - start));
    }

    private void Clear(int worker, int lane)
    {
        if (_lanes[lane] != _sum) _lanes[lane].Clear();
    }

    private (long Offset, int Count) Bounds(int chunk)
    {
        long offset = (long)chunk * _chunk.Length;
        return (offset, (int)Math.Min(_chunk.Length, _sum.Length - offset));
    }
}

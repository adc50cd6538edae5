using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// What the processes of one run do together: nothing where there is one. All take the same steps with the same sums, so their weights stay equal without ever
/// being sent; process 0 alone reads and writes files, tells how far the run is, and decides by the clock.
/// </summary>
/// <remarks>
/// Where one process fails, it tells the others when they next agree (<see cref="Together"/>, <see cref="Cancel"/>, <see cref="Leave"/>): what else they say
/// to each other comes right after they have agreed, so that none waits for a process that has gone.
/// </remarks>
/// <param name="group">The processes, or null for one.</param>
internal sealed class TrainingProcesses(IProcessGroup? group)
{
    private readonly IProcessGroup _group = group ?? SingleProcess.Instance;
    private bool _ended;
    private float[] _mine = [], _all = [];

    /// <summary>Number of processes.</summary>
    public int Count => _group.Size;

    /// <summary>True where this process trains alone.</summary>
    public bool IsAlone => _group.Size == 1;

    /// <summary>True in the one process that reads and writes files and reports.</summary>
    public bool IsFirst => _group.Rank == 0;

    /// <summary>True once one of several processes was cancelled, and all with it.</summary>
    public bool Cancelled { get; private set; }

    /// <summary>The options of this process: only the first writes and reports.</summary>
    public RetrainOptions Own(RetrainOptions options) => IsFirst ? options : options with { CheckpointPath = null, LogPath = null, Progress = null };

    /// <summary>The lanes that this process computes: as many as the others, or one more or less.</summary>
    /// <exception cref="ArgumentException">There are fewer lanes than processes.</exception>
    public LaneRange LanesOf(int lanes) => lanes >= _group.Size
        ? Lanes(_group.Rank, lanes)
        : throw new ArgumentException($"There are {lanes} lanes for {_group.Size} processes, and each needs one. Set RetrainOptions.Lanes, and BatchSize, to "
            + $"at least {_group.Size}, which changes the last bits of the result; or start {lanes} processes.");

    /// <summary>Sums the gradients of all processes; null where this one is alone.</summary>
    public OrderedSum? SumOf(WorkerTeam team, IVimDeviceProvider provider, IReadOnlyList<DeviceBuffer> lanes) =>
        IsAlone ? null : new OrderedSum(_group, team, provider, lanes);

    /// <inheritdoc cref="ProcessGroupExtensions.Together"/>
    public void Together(Action work)
    {
        try
        {
            _group.Together(work);
        }
        catch (Exception e) when (!IsAlone)
        {
            End(e);
            throw;
        }
    }

    /// <summary>
    /// The run is cancelled in this process. Where it was not in something that all do together, but by the listener, the others do not know: tells them when
    /// they next agree.
    /// </summary>
    /// <exception cref="ProcessGroupException">Another failed, or was lost, meanwhile.</exception>
    public void Cancel(OperationCanceledException cancellation)
    {
        if (IsAlone || _ended) return;
        try
        {
            Agree(cancellation);
        }
        catch (OperationCanceledException)
        {
            // It is the one that the others were told of.
        }
    }

    /// <summary>The run ends in this process; where it is by an error that the others do not know of, tells them when they next agree.</summary>
    /// <param name="failure">The error; null where all is done.</param>
    public void Leave(Exception? failure)
    {
        if (IsAlone) return;
        try
        {
            if (!_ended && failure is not ProcessGroupException) Agree(failure);
        }
        catch (OperationCanceledException) when (failure is null)
        {
            // Another was cancelled after the last step; here all is done.
        }
        finally
        {
            _group.Advice = null;
        }
    }

    private void Agree(Exception? failure)
    {
        try
        {
            _group.Agree(failure);
        }
        catch (Exception e)
        {
            End(e);
            throw;
        }
    }

    /// <summary>All processes know why the run ends, or cannot be told any more.</summary>
    private void End(Exception why) => (_ended, Cancelled) = (true, why is OperationCanceledException);

    /// <summary>Checks that all processes run the same code on the same data with the same options.</summary>
    /// <exception cref="ProcessGroupException">One differs from process 0; the message names what differs.</exception>
    public void CheckAlike(RunFingerprint fingerprint, IVimDeviceProvider provider)
    {
        if (IsAlone) return;
        var mine = new Dictionary<string, string>(fingerprint.Entries)
        {
            ["device"] = provider.Kind,
            ["processor"] = $"{RuntimeInformation.ProcessArchitecture}",
            ["RMeeTo.Vim"] = $"{Assembly.GetExecutingAssembly().GetName().Version} ({Assembly.GetExecutingAssembly().ManifestModule.ModuleVersionId:N})",
        };
        var all = _group.AllGatherText(JsonSerializer.Serialize(mine)).Select(text => JsonSerializer.Deserialize<Dictionary<string, string>>(text)!).ToList();
        for (int rank = 1; rank < all.Count; rank++)
        {
            var other = all[rank];
            var differing = all[0].Keys.Union(other.Keys).Where(key => all[0].GetValueOrDefault(key) != other.GetValueOrDefault(key)).Select(key =>
                $"{key}: {all[0].GetValueOrDefault(key) ?? "none"} in process 0, {other.GetValueOrDefault(key) ?? "none"} in process {rank}").ToList();
            if (differing.Count == 0) continue;
            _ended = true;
            throw new ProcessGroupException($"The processes would not train the same network bit for bit ({string.Join("; ", differing)}). Give all of "
                + "them the same program, images and options, on machines whose processors have the same vector width, or GPUs of one kind.");
        }
    }

    /// <summary>Gives all processes the state that process 0 read from its checkpoint.</summary>
    public void Share(RetrainState state)
    {
        if (IsAlone) return;
        string progress = _group.BroadcastText(IsFirst ? RetrainCheckpoint.Describe(state) : null);
        if (!IsFirst) RetrainCheckpoint.Restore(state, progress);
        foreach (var (_, values) in RetrainCheckpoint.Parts(state)) _group.Broadcast(values.AsSpan());
    }

    /// <summary>Says what becomes of the run where a process is lost from now on.</summary>
    public void Advise(string? checkpoint, RetrainState state)
    {
        if (IsAlone) return;
        _group.Advice = _group.BroadcastText(checkpoint is null
            ? "The run cannot be resumed, for process 0 has no RetrainOptions.CheckpointPath."
            : $"Start the same command again, with any number of processes: the run resumes from the checkpoint '{checkpoint}' of process 0, written after "
                + $"{state.Epoch} epochs and {state.Step} steps in all.");
    }

    /// <summary>Gives all processes the losses of the images of all; those of its own lanes are there.</summary>
    /// <param name="losses">[at least count]</param>
    /// <param name="count">Images of the step.</param>
    /// <param name="lanes">Lanes of the whole batch.</param>
    public void ShareLosses(float[] losses, int count, int lanes)
    {
        if (IsAlone) return;
        int longest = 0;
        for (int rank = 0; rank < _group.Size; rank++) longest = Math.Max(longest, Length(Images(rank)));
        if (_mine.Length < longest) (_mine, _all) = (new float[longest], new float[longest * _group.Size]);
        losses.AsSpan(Images(_group.Rank)).CopyTo(_mine);
        _group.AllGather(MemoryMarshal.AsBytes(_mine.AsSpan(0, longest)), MemoryMarshal.AsBytes(_all.AsSpan(0, longest * _group.Size)));
        for (int rank = 0; rank < _group.Size; rank++) _all.AsSpan(rank * longest, Length(Images(rank))).CopyTo(losses.AsSpan(Images(rank)));

        Range Images(int rank)
        {
            var (first, end) = Lanes(rank, lanes).Images(count);
            return first..end;
        }

        static int Length(Range range) => range.End.Value - range.Start.Value;
    }

    /// <summary>The part of so many things that this process sees to, in a row.</summary>
    public (int First, int End) Part(int count) => ((int)((long)count * _group.Rank / _group.Size), (int)((long)count * (_group.Rank + 1) / _group.Size));

    /// <summary>The sum of what all processes counted.</summary>
    public long Sum(long count) => IsAlone ? count : _group.AllGather(count).Sum();

    /// <summary>What process 0 decided.</summary>
    public T Decided<T>(T value) where T : unmanaged => IsAlone ? value : _group.Broadcast(value);

    /// <summary>Checks that weights, moments and all else that a checkpoint holds are the same in all processes, bit for bit.</summary>
    /// <exception cref="ProcessGroupException">They are not.</exception>
    public void CheckSame(RetrainState state)
    {
        if (IsAlone) return;
        string[] hashes = _group.AllGatherText(RetrainCheckpoint.Hash(state));
        int other = Array.FindIndex(hashes, hash => hash != hashes[0]);
        if (other < 0) return;
        _ended = true;
        throw new ProcessGroupException($"The weights of process {other} are not those of process 0 after epoch {state.Epoch} (SHA-256 {hashes[other][..12]} "
            + $"and {hashes[0][..12]}): a processor, or a mathematical library, computes otherwise. Train on machines of one kind. {_group.Advice}".TrimEnd());
    }

    private LaneRange Lanes(int rank, int lanes) => new((int)((long)lanes * rank / _group.Size), (int)((long)lanes * (rank + 1) / _group.Size), lanes);
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// The processes that an MPI launcher started: <c>mpirun -n 4 dotnet MyTraining.dll</c>. Open MPI, or a library of the MPICH family; it is loaded by
/// <see cref="Start"/> and not before.
/// </summary>
/// <remarks>
/// Dispose it at the end of the program, after all processes are done: that finalises MPI, and waits for all. A process that ends in the middle of a run ends
/// the others with it. Waiting costs no processor time for long: no function of MPI is called that blocks, except at start and end.
/// </remarks>
public sealed unsafe class MpiGroup : IProcessGroup
{
    private const int Serialized = 2;
    private const int MaxPiece = 1 << 30;
    private const int SendsUnderWay = 4;

    private static readonly TimeSpan s_defaultPatience = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_awake = TimeSpan.FromMilliseconds(20);
    private static MpiGroup? s_started;

    private readonly MpiLibrary _mpi;
    private readonly nint _communicator;
    private readonly TimeSpan _patience;
    private readonly bool _finalises;
    private readonly int _onlyThread;
    private readonly MpiBuffer[] _sends = [.. Enumerable.Range(0, SendsUnderWay).Select(_ => new MpiBuffer())];
    private readonly MpiBuffer _mine = new(), _received = new();
    private readonly PosixSignalRegistration _termination;
    private int _nextSend;
    private volatile bool _ended;
    private volatile bool _abandoned;
    private volatile bool _terminated;

    private MpiGroup(MpiLibrary mpi, TimeSpan patience)
    {
        (_mpi, _patience) = (mpi, patience);
        _finalises = !mpi.IsInitialized();
        if (_finalises)
        {
            int level = mpi.Initialize(Serialized);
            // Most libraries let any thread call, one at a time; then it does not matter where an await goes on.
            if (level < Serialized) _onlyThread = Environment.CurrentManagedThreadId;
            mpi.ReturnErrors(mpi.World);
        }
        _communicator = mpi.Duplicate(mpi.World);
        (Rank, Size) = (mpi.Rank(_communicator), mpi.Size(_communicator));
        Description = $"process {Rank} of {Size} ({mpi.Version}, {Environment.MachineName})";
        _termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => OnTerminated());
        AppDomain.CurrentDomain.ProcessExit += OnExit;
    }

    /// <summary>True where an MPI launcher started this process. Loads nothing.</summary>
    public static bool IsLaunched => MpiLauncher.IsPresent;

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size { get; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public string? Advice { get; set; }

    /// <summary>
    /// Loads the MPI library and joins the processes that the launcher started; a process that no launcher started is alone. Once in the life of a process.
    /// </summary>
    /// <param name="library">File of the MPI library; null looks for the usual names, those of the launcher's kind first.</param>
    /// <param name="patience">
    /// How long to wait for another process before it counts as lost; null means 30 minutes, <see cref="Timeout.InfiniteTimeSpan"/> for ever. It must be longer
    /// than what one process does alone, such as writing a checkpoint.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="patience"/> is neither positive nor infinite.</exception>
    /// <exception cref="DllNotFoundException">No MPI library was found; the message says what to install.</exception>
    /// <exception cref="NotSupportedException">The library is of an unknown kind.</exception>
    /// <exception cref="ProcessGroupException">MPI does not start, or the library is not that of the launcher.</exception>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public static MpiGroup Start(string? library = null, TimeSpan? patience = null)
    {
        var wait = patience ?? s_defaultPatience;
        if (wait <= TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(patience), patience, $"The patience is {patience}; it must be positive, or Timeout.InfiniteTimeSpan.");
        if (s_started is not null)
            throw new InvalidOperationException("MPI was started before in this process, and starts once; use the group that is there.");
        var handlers = MpiSignals.Save();
        var mpi = MpiLibrary.Load(library); // loading alone may set handlers
        MpiGroup group;
        try
        {
            group = s_started = new MpiGroup(mpi, wait);
        }
        catch (MpiException e)
        {
            throw new ProcessGroupException($"{mpi.Version} does not start: {e.Message}. Start the processes with its own mpirun.", e);
        }
        finally
        {
            handlers.Restore();
        }
        if (MpiLauncher.Processes is { } launched && launched != group.Size)
        {
            group.Dispose();
            throw new ProcessGroupException($"The launcher started {launched} processes, and {mpi.Version} knows of {group.Size}: the launcher belongs to "
                + "another MPI. Start the processes with the mpirun of the library, or name the launcher's library to MpiGroup.Start.");
        }
        return group;
    }

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> data, int to)
    {
        CheckUse(to, nameof(to));
        for (; !data.IsEmpty; data = data[Math.Min(data.Length, MaxPiece)..])
        {
            var piece = data[..Math.Min(data.Length, MaxPiece)];
            var buffer = _sends[_nextSend];
            _nextSend = (_nextSend + 1) % _sends.Length;
            Wait(buffer); // for what it held before
            piece.CopyTo(buffer.Reserve(piece.Length));
            Begin(buffer, Transfer.Send, to);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        CheckUse();
        foreach (var buffer in _sends) Wait(buffer);
    }

    /// <inheritdoc/>
    public void Receive(Span<byte> data, int from)
    {
        CheckUse(from, nameof(from));
        for (; !data.IsEmpty; data = data[Math.Min(data.Length, MaxPiece)..])
        {
            var piece = data[..Math.Min(data.Length, MaxPiece)];
            _received.Reserve(piece.Length);
            Begin(_received, Transfer.Receive, from);
            Wait(_received);
            _received.Bytes.CopyTo(piece);
        }
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> data)
    {
        CheckUse();
        if (data.IsEmpty) return;
        data.CopyTo(_received.Reserve(data.Length));
        Begin(_received, Transfer.Broadcast, 0);
        Wait(_received);
        _received.Bytes.CopyTo(data);
    }

    /// <inheritdoc/>
    public void AllGather(ReadOnlySpan<byte> mine, Span<byte> all)
    {
        CheckUse();
        if (all.Length != (long)mine.Length * Size)
            throw new ArgumentException($"{all.Length} bytes for {Size} processes with {mine.Length} each; make it {(long)mine.Length * Size}.", nameof(all));
        if (mine.IsEmpty) return;
        mine.CopyTo(_mine.Reserve(mine.Length));
        _received.Reserve(all.Length);
        Begin(_received, Transfer.AllGather, 0);
        Wait(_received);
        _received.Bytes.CopyTo(all);
    }

    /// <inheritdoc/>
    public void Abandon()
    {
        if (Size > 1) _abandoned = true;
    }

    /// <summary>
    /// Waits for all processes to do the same, and finalises MPI. Where others still train, or the group was abandoned, it does not: then this process fails,
    /// and the launcher ends the others.
    /// </summary>
    public void Dispose()
    {
        if (_ended || _abandoned) return;
        try
        {
            Flush();
            if (!this.AllLeave()) Abandon();
        }
        catch (ProcessGroupException) { } // it may be another exception that ends the group's use, and that one is of more interest
        if (_abandoned) return;
        End();
        foreach (var buffer in (MpiBuffer[])[.. _sends, _mine, _received]) buffer.Free();
    }

    private void Begin(MpiBuffer buffer, Transfer transfer, int other)
    {
        try
        {
            buffer.Request = transfer switch
            {
                Transfer.Send => _mpi.Send(buffer.Pointer, buffer.Length, other, _communicator),
                Transfer.Receive => _mpi.Receive(buffer.Pointer, buffer.Length, other, _communicator),
                Transfer.Broadcast => _mpi.Broadcast(buffer.Pointer, buffer.Length, _communicator),
                _ => _mpi.AllGather(_mine.Pointer, _mine.Length, buffer.Pointer, _communicator),
            };
        }
        catch (MpiException e)
        {
            throw Lost($"cannot reach the others: {e.Message}.", e);
        }
    }

    /// <summary>Waits until a transfer is complete: at first awake, for most waits are short, then asleep, so that it takes no core from a neighbour.</summary>
    private void Wait(MpiBuffer buffer)
    {
        if (buffer.Request == 0) return;
        long started = Stopwatch.GetTimestamp();
        try
        {
            while (!_mpi.IsComplete(ref buffer.Request))
            {
                var waited = Stopwatch.GetElapsedTime(started);
                if (waited < s_awake) Thread.Yield();
                else Thread.Sleep(1);
                if (waited > _patience && _patience != Timeout.InfiniteTimeSpan)
                    throw Lost($"has waited {_patience} for another, which counts as lost.", null);
            }
        }
        catch (MpiException e)
        {
            throw Lost($"has lost another: {e.Message}.", e);
        }
        buffer.Request = 0;
    }

    private ProcessGroupException Lost(string what, Exception? cause)
    {
        Abandon();
        return new ProcessGroupException($"{char.ToUpperInvariant(Description[0])}{Description[1..]} {what} {Advice}".TrimEnd(), cause);
    }

    private void CheckUse(int other, string name)
    {
        if (other < 0 || other >= Size || other == Rank)
            throw new ArgumentOutOfRangeException(name, other, $"Process {Rank} of {Size} cannot talk to process {other}; name another, from 0 to {Size - 1}.");
        CheckUse();
    }

    private void CheckUse()
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        if (_abandoned)
            throw new ProcessGroupException($"The processes no longer belong together, after an earlier failure; end the program. {Advice}".TrimEnd());
        if (_onlyThread != 0 && _onlyThread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException($"{_mpi.Version} can only be called by the thread that called MpiGroup.Start; train on that one.");
    }

    /// <summary>The launcher ends this process because another was lost, or because it was asked to end them all.</summary>
    private void OnTerminated()
    {
        _abandoned = _terminated = true;
        if (Advice is { } advice)
            Console.Error.WriteLine($"{Description} is ended by its launcher: another process was lost, or all were told to stop. {advice}");
    }

    private void OnExit(object? sender, EventArgs e)
    {
        if (_ended || _terminated) return; // where terminated, the launcher sees to the others
        if (!_abandoned && Advice is null && Environment.ExitCode == 0)
        {
            End();
            return;
        }
        // Others that wait for this process would wait for ever, and to finalise would wait for them. The launcher ends them all where one fails. (MPI_Abort
        // would as well, but not every library can be aborted from where the runtime runs this.)
        if (Environment.ExitCode == 0) Environment.ExitCode = 1;
    }

    private void End()
    {
        _ended = true;
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        _termination.Dispose();
        if (_finalises) _mpi.Complete();
    }

    private enum Transfer
    {
        Send,
        Receive,
        Broadcast,
        AllGather,
    }
}

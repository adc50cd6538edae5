using System.Collections.Concurrent;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>Processes that are threads of this one. A send waits while the receiver has not taken the message before it: the least that MPI promises.</summary>
internal sealed class InMemoryGroup : IProcessGroup
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly Hub _hub;

    private InMemoryGroup(Hub hub, int rank) => (_hub, Rank) = (hub, rank);

    public int Rank { get; }

    public int Size => _hub.Size;

    public string Description => $"thread {Rank} of {Size}";

    public string? Advice { get; set; }

    /// <summary>Runs the same work as every process of a group; returns what each came to.</summary>
    public static T[] Run<T>(int size, Func<IProcessGroup, T> work)
    {
        var hub = new Hub(size);
        var results = new T[size];
        var failures = new Exception?[size];
        var threads = Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            try
            {
                results[rank] = work(new InMemoryGroup(hub, rank));
            }
            catch (Exception e)
            {
                failures[rank] = e;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        if (failures.Any(failure => failure is not null)) throw new AggregateException(failures.Where(failure => failure is not null)!);
        return results;
    }

    public void Send(ReadOnlySpan<byte> data, int to)
    {
        var message = data.ToArray();
        if (!Wait(abandoned => _hub.Messages[Rank, to].TryAdd(message, (int)s_patience.TotalMilliseconds, abandoned)))
            throw new ProcessGroupException($"Thread {to} does not receive what thread {Rank} sends.");
    }

    public void Flush() { }

    public void Receive(Span<byte> data, int from)
    {
        byte[]? message = null;
        if (!Wait(abandoned => _hub.Messages[from, Rank].TryTake(out message, (int)s_patience.TotalMilliseconds, abandoned)))
            throw new ProcessGroupException($"Thread {from} does not send to thread {Rank}.");
        Assert.HasCount(data.Length, message!, $"from {from} to {Rank}");
        message.CopyTo(data);
    }

    public void Broadcast(Span<byte> data)
    {
        if (Rank == 0) _hub.Records[0] = data.ToArray();
        Meet();
        _hub.Records[0].CopyTo(data);
        Meet();
    }

    public void AllGather(ReadOnlySpan<byte> mine, Span<byte> all)
    {
        Assert.AreEqual(mine.Length * Size, all.Length);
        _hub.Records[Rank] = mine.ToArray();
        Meet();
        for (int rank = 0; rank < Size; rank++) _hub.Records[rank].CopyTo(all[(rank * mine.Length)..]);
        Meet();
    }

    /// <summary>Ends what the others wait for, as the launcher does when this process ends.</summary>
    public void Abandon() => _hub.Abandoned.Cancel();

    public void Dispose() { }

    private void Meet()
    {
        if (!Wait(abandoned => _hub.Meeting.SignalAndWait((int)s_patience.TotalMilliseconds, abandoned)))
            throw new ProcessGroupException($"Thread {Rank} waits for others that do not come.");
    }

    private bool Wait(Func<CancellationToken, bool> wait)
    {
        try
        {
            return wait(_hub.Abandoned.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new ProcessGroupException($"Thread {Rank} is ended, for another has abandoned the group.", e);
        }
    }

    private sealed class Hub
    {
        public Hub(int size)
        {
            (Size, Meeting, Records, Messages) = (size, new Barrier(size), new byte[size][], new BlockingCollection<byte[]>[size, size]);
            for (int i = 0; i < size * size; i++) Messages[i / size, i % size] = new BlockingCollection<byte[]>(1);
        }

        public int Size { get; }

        public CancellationTokenSource Abandoned { get; } = new();

        public Barrier Meeting { get; }

        public byte[][] Records { get; }

        public BlockingCollection<byte[]>[,] Messages { get; }
    }
}

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// The processes that re-train one network together, on one machine or on several, and the few ways in which they talk: just what data parallel training
/// needs.
/// </summary>
/// <remarks>
/// Every process makes the same calls in the same order, except that what one sends the other receives. One thread at a time may use a group.
/// </remarks>
public interface IProcessGroup : IDisposable
{
    /// <summary>This process, 0 to <see cref="Size"/> − 1. Process 0 writes checkpoints and logs.</summary>
    int Rank { get; }

    /// <summary>Number of processes, at least 1.</summary>
    int Size { get; }

    /// <summary>For logs, such as "process 1 of 3 (Open MPI 4.1.4, node7)".</summary>
    string Description { get; }

    /// <summary>
    /// What the user is told where another process is lost, such as the checkpoint from which the run resumes. It ends the message of
    /// <see cref="ProcessGroupException"/>, and is written to the error stream where the launcher ends this process because of another.
    /// </summary>
    string? Advice { get; set; }

    /// <summary>Sends bytes to another process; they may be overwritten on return. What one process sends another arrives in the order of the calls.</summary>
    /// <exception cref="ProcessGroupException">The other process, or the way to it, is lost.</exception>
    void Send(ReadOnlySpan<byte> data, int to);

    /// <summary>
    /// Waits until the others have what was sent to them: before a long computation, in which nothing that is still on its way would move on.
    /// </summary>
    /// <exception cref="ProcessGroupException">Another process, or the way to it, is lost.</exception>
    void Flush();

    /// <summary>Waits for as many bytes as the other process sent in one call.</summary>
    /// <exception cref="ProcessGroupException">The other process, or the way to it, is lost.</exception>
    void Receive(Span<byte> data, int from);

    /// <summary>Gives every process the bytes of process 0; of the same length in all.</summary>
    /// <exception cref="ProcessGroupException">A process, or the way to it, is lost.</exception>
    void Broadcast(Span<byte> data);

    /// <summary>Gives every process the bytes of all, process by process.</summary>
    /// <param name="mine">Of the same length in all processes.</param>
    /// <param name="all">[Size · length of mine]</param>
    /// <exception cref="ProcessGroupException">A process, or the way to it, is lost.</exception>
    void AllGather(ReadOnlySpan<byte> mine, Span<byte> all);

    /// <summary>
    /// Says that this process goes on without the others, which may be waiting for it: nothing can be sent any more, and when this process ends, the launcher
    /// ends them all.
    /// </summary>
    void Abandon();
}

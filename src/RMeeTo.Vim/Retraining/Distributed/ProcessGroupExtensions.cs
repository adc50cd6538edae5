using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>What the processes of a group do together, made of the few ways in which they talk.</summary>
internal static class ProcessGroupExtensions
{
    private const int Piece = 1 << 20;

    /// <summary>How a piece of work went in one process.</summary>
    private enum Outcome : byte
    {
        Done,
        Cancelled,
        Failed,
        Left,
    }

    /// <summary>
    /// Does work in this process and waits until every process has done its own. Where it failed or was cancelled in one, it ends in all: so no process waits
    /// for another that has gone.
    /// </summary>
    /// <remarks>The work may not contain an agreement of its own: the processes would be in different ones after a failure.</remarks>
    /// <exception cref="OperationCanceledException">It was cancelled in some process, and failed in none.</exception>
    /// <exception cref="ProcessGroupException">It failed in another process; the message tells its error, which that one throws as it was.</exception>
    public static void Together(this IProcessGroup group, Action work)
    {
        Exception? failure = null;
        try
        {
            work();
        }
        catch (Exception e) when (group.Size > 1 && e is not ProcessGroupException)
        {
            failure = e;
        }
        if (group.Size > 1) group.Agree(failure);
    }

    /// <summary>
    /// Tells every process how the work went in this one, and learns how it went in the others: <paramref name="failure"/> is what this one failed with, a
    /// cancellation included, or null. Throws where one failed or was cancelled.
    /// </summary>
    /// <inheritdoc cref="Together" path="/exception"/>
    public static void Agree(this IProcessGroup group, Exception? failure)
    {
        var mine = failure is null ? Outcome.Done : failure is OperationCanceledException ? Outcome.Cancelled : Outcome.Failed;
        Span<byte> all = group.Size <= 256 ? stackalloc byte[group.Size] : new byte[group.Size];
        group.AllGather([(byte)mine], all);
        if (all.IndexOf((byte)Outcome.Left) is >= 0 and var left)
        {
            group.Abandon();
            throw new ProcessGroupException($"Process {left} of {group.Size} has left the others, which cannot go on without it. {group.Advice}".TrimEnd());
        }
        if (all.Contains((byte)Outcome.Failed))
        {
            string[] errors = group.AllGatherText(failure is null or OperationCanceledException ? "" : $"{failure.GetType().Name}: {failure.Message}");
            if (failure is not null and not OperationCanceledException) ExceptionDispatchInfo.Throw(failure);
            int failed = all.IndexOf((byte)Outcome.Failed);
            throw new ProcessGroupException($"Process {failed} of {group.Size} failed, and all end with it. {errors[failed]}");
        }
        if (all.Contains((byte)Outcome.Cancelled))
            throw failure as OperationCanceledException ?? new OperationCanceledException("Cancelled in another process.");
    }

    /// <summary>Leaves the group, and tells those that are about to agree on something.</summary>
    /// <returns>True where all processes leave.</returns>
    public static bool AllLeave(this IProcessGroup group)
    {
        var all = new byte[group.Size];
        group.AllGather([(byte)Outcome.Left], all);
        return !all.AsSpan().ContainsAnyExcept((byte)Outcome.Left);
    }

    /// <summary>Gives every process a value of all, process by process.</summary>
    public static T[] AllGather<T>(this IProcessGroup group, T mine) where T : unmanaged
    {
        var all = new T[group.Size];
        group.AllGather(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in mine)), MemoryMarshal.AsBytes(all.AsSpan()));
        return all;
    }

    /// <summary>Gives every process the texts of all, process by process.</summary>
    public static string[] AllGatherText(this IProcessGroup group, string mine)
    {
        byte[] text = Encoding.UTF8.GetBytes(mine);
        int[] lengths = group.AllGather(text.Length);
        int longest = lengths.Max();
        var padded = new byte[longest];
        text.CopyTo(padded, 0);
        var all = new byte[longest * group.Size];
        if (longest > 0) group.AllGather(padded, all);
        return [.. lengths.Select((length, rank) => Encoding.UTF8.GetString(all, rank * longest, length))];
    }

    /// <summary>Gives every process the value of process 0.</summary>
    public static T Broadcast<T>(this IProcessGroup group, T value) where T : unmanaged
    {
        group.Broadcast(MemoryMarshal.AsBytes(new Span<T>(ref value)));
        return value;
    }

    /// <summary>Gives every process the values of process 0; of the same length in all.</summary>
    public static void Broadcast(this IProcessGroup group, Span<float> values)
    {
        while (!values.IsEmpty)
        {
            int count = Math.Min(values.Length, Piece / sizeof(float));
            group.Broadcast(MemoryMarshal.AsBytes(values[..count]));
            values = values[count..];
        }
    }

    /// <summary>Gives every process the text of process 0; that of the others is not looked at.</summary>
    public static string BroadcastText(this IProcessGroup group, string? text)
    {
        byte[] bytes = group.Rank == 0 ? Encoding.UTF8.GetBytes(text!) : [];
        int length = group.Broadcast(bytes.Length);
        if (group.Rank > 0) bytes = new byte[length];
        if (length > 0) group.Broadcast(bytes);
        return Encoding.UTF8.GetString(bytes);
    }
}

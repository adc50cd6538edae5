namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>A process that trains alone.</summary>
public sealed class SingleProcess : IProcessGroup
{
    private SingleProcess() { }

    /// <summary>The only one.</summary>
    public static SingleProcess Instance { get; } = new();

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Size => 1;

    /// <inheritdoc/>
    public string Description => "one process";

    /// <summary>Always null: there is no other process to lose.</summary>
    public string? Advice
    {
        get => null;
        set { }
    }

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> data, int to) => throw Nobody();

    /// <inheritdoc/>
    public void Flush() { }

    /// <inheritdoc/>
    public void Receive(Span<byte> data, int from) => throw Nobody();

    /// <inheritdoc/>
    public void Broadcast(Span<byte> data) { }

    /// <inheritdoc/>
    public void AllGather(ReadOnlySpan<byte> mine, Span<byte> all) => mine.CopyTo(all);

    /// <inheritdoc/>
    public void Abandon() { }

    /// <inheritdoc/>
    public void Dispose() { }

    private static InvalidOperationException Nobody() => new("There is one process, and no other to send to or to receive from.");
}

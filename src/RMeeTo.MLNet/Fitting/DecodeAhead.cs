using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>Two batches of rows that take turns: one is filled by the thread that reads the view while all others decode the one before.</summary>
/// <param name="store">Says how far images are reduced.</param>
/// <param name="threads">Threads that decode; with 1, the thread that reads decodes too.</param>
/// <param name="clipFrames">Most frames of a clip that are kept; 0 where rows hold single images.</param>
/// <param name="failOnUnreadable">Whether an image that cannot be read ends it all.</param>
/// <param name="cancellation">Looked at between images.</param>
internal sealed class DecodeAhead(ImageStore store, int threads, int clipFrames, bool failOnUnreadable, CancellationToken cancellation) : IDisposable
{
    private ReadBatch _next = new(threads, clipFrames), _decoded = new(threads, clipFrames);
    private Task _decoding = Task.CompletedTask;

    /// <summary>The batch to fill; empty.</summary>
    public ReadBatch Next
    {
        get
        {
            _next.Clear();
            return _next;
        }
    }

    /// <summary>Begins to decode <see cref="Next"/>, and returns the batch before it, decoded; without rows at the first call.</summary>
    /// <exception cref="UnreadableImageException">An image of the batch before cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ReadBatch Exchange()
    {
        _decoding.GetAwaiter().GetResult();
        var batch = _next;
        (_next, _decoded) = (_decoded, batch); // what is returned is filled again only after the caller has asked for the next
        if (threads == 1) batch.Decode(store, threads, failOnUnreadable, cancellation);
        else _decoding = Task.Run(() => batch.Decode(store, threads, failOnUnreadable, cancellation), CancellationToken.None);
        return _next;
    }

    /// <summary>The batch that the last <see cref="Exchange"/> began to decode, decoded.</summary>
    /// <inheritdoc cref="Exchange" path="/exception"/>
    public ReadBatch Last()
    {
        _decoding.GetAwaiter().GetResult();
        return _decoded;
    }

    /// <summary>Waits until nothing is decoded any more, however that ends.</summary>
    public void Dispose() => Task.WhenAny(_decoding).Wait(CancellationToken.None);
}

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>
/// Memory that a pickle's objects may take, all together: the file's own length and a little more. It bounds stack, memo, nesting, texts and the number of
/// objects at once, since each step of the machine and each byte of text pays, and no step makes more than it paid for.
/// </summary>
/// <param name="fileLength">Bytes of the file.</param>
/// <param name="fault">For messages.</param>
internal sealed class PickleBudget(long fileLength, TorchFault fault)
{
    /// <summary>What one step of the machine costs: room for one object, its place on the stack and in a container, or one entry of the memo.</summary>
    public const int StepBytes = 64;

    // Checkpoints of the smallest networks have more pickle than numbers.
    private const long Slack = 4 << 20;

    private long _left = fileLength + Slack;

    /// <summary>Pays, or refuses the file.</summary>
    public void Spend(long bytes)
    {
        _left -= bytes;
        if (_left < 0)
            throw fault.Bad($"its pickle describes objects of more than {fileLength + Slack} bytes, out of proportion to the file of {fileLength} bytes");
    }
}

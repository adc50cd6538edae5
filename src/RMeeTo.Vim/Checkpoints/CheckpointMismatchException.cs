namespace RMeeTo.Vim.Checkpoints;

/// <summary>The file is sound, but belongs to another network than the one asked for. Compare <see cref="CheckpointFormatException"/>.</summary>
/// <param name="message">What differs, and what to do.</param>
/// <param name="problems">Every difference, one line each; empty where the message says it all.</param>
public sealed class CheckpointMismatchException(string message, IReadOnlyList<string>? problems = null) : Exception(message)
{
    /// <summary>Every difference, such as "layers.3.mixer.A_log: expected (384, 16), found (768, 16)". The message shows the first few.</summary>
    public IReadOnlyList<string> Problems { get; } = problems ?? [];
}

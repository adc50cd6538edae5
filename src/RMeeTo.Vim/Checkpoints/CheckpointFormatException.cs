namespace RMeeTo.Vim.Checkpoints;

/// <summary>The file is damaged, or not of the kind that was expected. Another file is needed. Compare <see cref="CheckpointMismatchException"/>.</summary>
/// <param name="message">What is wrong, the values found and expected, and what to do.</param>
/// <param name="innerException">The cause, if any.</param>
public sealed class CheckpointFormatException(string message, Exception? innerException = null) : IOException(message, innerException);

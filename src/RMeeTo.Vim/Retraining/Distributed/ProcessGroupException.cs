namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>Processes that train together cannot go on: one was lost, one failed, or they do not fit together.</summary>
/// <param name="message">What happened, and what to do.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class ProcessGroupException(string message, Exception? innerException = null) : Exception(message, innerException);

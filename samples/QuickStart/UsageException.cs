namespace RMeeTo.Samples;

/// <summary>What the user typed was wrong; shown as one line, exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);

using Microsoft.ML.Runtime;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>Hands progress on to the user, and to the log at the end of every epoch and every few seconds in between.</summary>
internal sealed class FitProgress(IChannel channel, FitCancellation cancellation, IProgress<RetrainProgress>? user) : IProgress<RetrainProgress>
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private TimeSpan _logged;
    private bool _begun;

    public void Report(RetrainProgress value)
    {
        if (!_begun && value.ResumedAt > 0) channel.Say($"Resumed from the training checkpoint, after {value.ResumedAt} steps.");
        _begun = true;
        if (value.EpochEnded || value.Elapsed - _logged >= Interval)
        {
            _logged = value.Elapsed;
            channel.Say(value.ToString());
        }
        user?.Report(value);
        cancellation.Ask();
    }
}

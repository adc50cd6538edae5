namespace RMeeTo.Vim.Retraining;

/// <summary>Brings the state of a run up to date, and writes it to its checkpoint in time.</summary>
/// <param name="state">The state.</param>
/// <param name="optimizer">Has weights and moments.</param>
/// <param name="checkpoint">The file; null where none is asked for.</param>
/// <param name="clock">Time used.</param>
/// <param name="interval">Time between two checkpoints inside an epoch.</param>
internal sealed class StateKeeper(RetrainState state, Optimizer optimizer, RetrainCheckpoint? checkpoint, RunClock clock, TimeSpan interval)
{
    private TimeSpan _saved = clock.Elapsed;
    private bool _isBetweenGroups = true;

    /// <summary>Whether a checkpoint is due after a step: it is time for one, and no gradients are being accumulated.</summary>
    public bool IsDue(MicroBatch batch) => checkpoint is not null && batch.EndsGroup && clock.Elapsed - _saved >= interval;

    /// <summary>What the last checkpoint took.</summary>
    public TimeSpan Duration { get; private set; }

    /// <summary>A step was taken.</summary>
    public void Stepped(MicroBatch batch) => _isBetweenGroups = batch.EndsGroup;

    /// <summary>The run was cancelled: what was done since the last checkpoint is kept for a resume.</summary>
    /// <returns>False where the latest weights are of no use, for they are not finite.</returns>
    public bool Cancelled()
    {
        optimizer.Save(state);
        if (!state.IsFinite) return false;
        try
        {
            if (_isBetweenGroups) Save();
        }
        catch (IOException)
        {
            // The caller gets the best weights all the same, and a resume the checkpoint from before.
        }
        return true;
    }

    /// <summary>Copies weights and moments from the device.</summary>
    /// <exception cref="TrainingDivergedException">One of them is no longer finite.</exception>
    public void Update()
    {
        optimizer.Save(state);
        // The last step has no loss after it: without this look a checkpoint, and the best weights, could be broken ones.
        if (!state.IsFinite)
            throw new TrainingDivergedException(
                "A weight or a moment of the optimizer is no longer a finite number", state.Epoch + 1, state.Sums.Steps, state.LearningRate);
    }

    /// <summary>Writes the state as it is.</summary>
    /// <exception cref="IOException">The file cannot be written; the one before is as it was.</exception>
    public void Save()
    {
        if (checkpoint is null) return;
        var started = clock.Elapsed;
        state.Used = clock.Used;
        checkpoint.Save(state);
        _saved = clock.Elapsed;
        Duration = _saved - started;
    }
}

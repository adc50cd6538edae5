using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Retraining;

/// <summary>The file from which a run resumes: written atomically at the start and from time to time, read once at the start.</summary>
internal sealed class RetrainCheckpoint(string path, RunFingerprint fingerprint)
{
    private const string Format = "rmeeto.retrain";
    private const string Version = "3";
    private const string FingerprintKey = "fingerprint";
    private const string ProgressKey = "progress";
    private const string HashKey = "sha256";

    private static readonly JsonSerializerOptions s_strict = new() { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    private sealed record Progress(
        int Epoch, int Step, int Updates, EpochSums Sums, double LearningRate, StepPlan Plan, TimeSpan Used, TimeSpan EpochBegan, double EpochEndSeconds,
        int BestEpoch, ValidationScore? BestScore, ValidationScore? StartScore, List<RetrainEpoch> History)
    {
        public static Progress Of(RetrainState state) => new(
            state.Epoch, state.Step, state.Updates, state.Sums, state.LearningRate, state.Plan, state.Used, state.EpochBegan, state.EpochEndSeconds,
            state.BestEpoch, state.BestScore, state.StartScore, state.History);

        public void Restore(RetrainState state)
        {
            (state.Epoch, state.Step, state.Updates, state.Sums, state.LearningRate, state.Plan) = (Epoch, Step, Updates, Sums, LearningRate, Plan);
            (state.Used, state.EpochBegan, state.EpochEndSeconds) = (Used, EpochBegan, EpochEndSeconds);
            (state.BestEpoch, state.BestScore, state.StartScore) = (BestEpoch, BestScore, StartScore);
            state.History.AddRange(History);
        }
    }

    /// <summary>Writes the state; a crash leaves the old file or the new one, never a part.</summary>
    /// <exception cref="IOException">The file cannot be written; the old one is as it was.</exception>
    public void Save(RetrainState state)
    {
        string progress = Describe(state);
        var metadata = new Dictionary<string, string>
        {
            [Format] = Version,
            [FingerprintKey] = JsonSerializer.Serialize(fingerprint.Entries),
            [ProgressKey] = progress,
            [HashKey] = Hash(state, progress),
        };
        try
        {
            SafetensorsWriter.Write(path, [.. Parts(state).Select(part => new FloatTensor(part.Name, [part.Values.Length], part.Values))], metadata);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string before = File.Exists(path) ? "The one that is there is as it was, and the run can be resumed from it." : "There is none from before.";
            string reason = e.Message.TrimEnd('.');
            long bytes = sizeof(float) * Parts(state).Sum(part => (long)part.Values.Length);
            throw new IOException($"The training checkpoint '{path}' of epoch {state.Epoch} cannot be written ({bytes:N0} bytes): {reason}. {before} Free "
                + "space there, or set CheckpointPath to a file in a folder that exists and can be written.", e);
        }
    }

    /// <summary>Makes the file at the start of a run, so that a place that cannot be written shows before the work and not after it.</summary>
    public void Begin(RetrainState state)
    {
        Save(state);
        AtomicFile.DeleteRemains(path);
    }

    /// <summary>Restores the state where the file exists.</summary>
    /// <returns>False where there is no file.</returns>
    /// <exception cref="InvalidDataException">The file is no checkpoint, or belongs to another run.</exception>
    /// <exception cref="CheckpointFormatException">The file is damaged.</exception>
    public bool TryLoad(RetrainState state)
    {
        if (!File.Exists(path)) return false;
        try
        {
            using var reader = SafetensorsReader.Open(path);
            CheckVersion(reader.Metadata.GetValueOrDefault(Format));
            fingerprint.ThrowIfDifferent(JsonSerializer.Deserialize<Dictionary<string, string>>(reader.Metadata[FingerprintKey]) ?? [], path);
            foreach (var (name, values) in Parts(state)) reader.Read(name, values);
            string progress = reader.Metadata[ProgressKey];
            if (Hash(state, progress) != reader.Metadata[HashKey]) throw new CheckpointFormatException("its values are not those that were saved.");
            Restore(state, progress);
        }
        catch (Exception e) when (e is CheckpointFormatException or JsonException or KeyNotFoundException or ArgumentException)
        {
            throw new CheckpointFormatException(
                $"The training checkpoint '{path}' is damaged, or something else: {e.Message} Put a copy of it back; or, to start again, give another "
                + "checkpoint path or delete the file.", e);
        }
        return true;
    }

    /// <summary>All of a state but its <see cref="Parts"/>, as text.</summary>
    public static string Describe(RetrainState state) => JsonSerializer.Serialize(Progress.Of(state));

    /// <summary>Takes what <see cref="Describe"/> gave.</summary>
    /// <exception cref="JsonException">It is not that.</exception>
    public static void Restore(RetrainState state, string description) =>
        (JsonSerializer.Deserialize<Progress>(description, s_strict) ?? throw new JsonException("its progress is empty.")).Restore(state);

    private void CheckVersion(string? version)
    {
        if (version is null)
            throw new InvalidDataException($"'{path}' is not a training checkpoint, and is left as it is; give another checkpoint path.");
        if (version != Version)
            throw new InvalidDataException($"The training checkpoint '{path}' has format {version}, and this version of the library reads format {Version}; "
                + "it is left as it is. Finish the run with the version that began it, or delete the file to start again.");
    }

    /// <summary>The values that a state is made of.</summary>
    public static IEnumerable<(string Name, float[] Values)> Parts(RetrainState state) =>
    [
        ("weights", state.Weights.Values), ("first_moment", state.FirstMoment), ("second_moment", state.SecondMoment), ("best", state.Best.Values),
        .. state.Average is { } average ? [("average", average.Values)] : Array.Empty<(string, float[])>(),
    ];

    /// <summary>SHA-256 of these values, and of a text.</summary>
    public static string Hash(RetrainState state, string text = "")
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, values) in Parts(state)) SafetensorsWriter.WriteValues(hash.AppendData, values);
        hash.AppendData(Encoding.UTF8.GetBytes(text));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

using System.Security.Cryptography;
using System.Text.Json;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Retraining;

/// <summary>The file from which a run resumes: written atomically after every epoch, read once at the start.</summary>
internal sealed class RetrainCheckpoint(string path, RunFingerprint fingerprint)
{
    private const string Format = "rmeeto.retrain";
    private const string Version = "1";

    private sealed record Progress(int Epoch, int Step, int BestEpoch, double? BestTop1, double? StartTop1, List<RetrainEpoch> History);

    /// <summary>Writes the state; a crash leaves the old file or the new one, never a part.</summary>
    public void Save(RetrainState state)
    {
        int length = state.Weights.Values.Length;
        FloatTensor Flat(string name, float[] values) => new(name, [length], values);
        SafetensorsWriter.Write(path,
            [Flat("weights", state.Weights.Values), Flat("first_moment", state.FirstMoment), Flat("second_moment", state.SecondMoment), Flat("best", state.Best.Values)],
            new Dictionary<string, string>
            {
                [Format] = Version,
                ["fingerprint"] = JsonSerializer.Serialize(fingerprint.Entries),
                ["progress"] = JsonSerializer.Serialize(new Progress(state.Epoch, state.Step, state.BestEpoch, state.BestTop1, state.StartTop1, state.History)),
            });
    }

    /// <summary>Restores the state where the file exists.</summary>
    /// <returns>False where there is no file.</returns>
    /// <exception cref="InvalidDataException">The file is no checkpoint, or belongs to another run.</exception>
    public bool TryLoad(RetrainState state)
    {
        if (!File.Exists(path)) return false;
        using var reader = SafetensorsReader.Open(path);
        if (reader.Metadata.GetValueOrDefault(Format) != Version)
            throw new InvalidDataException($"'{path}' is not a training checkpoint of this version; give another checkpoint path, or delete the file to start again.");
        CheckFingerprint(reader.Metadata);
        reader.Read("weights", state.Weights.Values);
        reader.Read("first_moment", state.FirstMoment);
        reader.Read("second_moment", state.SecondMoment);
        reader.Read("best", state.Best.Values);
        var progress = JsonSerializer.Deserialize<Progress>(reader.Metadata["progress"])!;
        (state.Epoch, state.Step, state.BestEpoch, state.BestTop1, state.StartTop1) = (progress.Epoch, progress.Step, progress.BestEpoch, progress.BestTop1, progress.StartTop1);
        state.History.AddRange(progress.History);
        return true;
    }

    private void CheckFingerprint(IReadOnlyDictionary<string, string> metadata)
    {
        var stored = JsonSerializer.Deserialize<Dictionary<string, string>>(metadata["fingerprint"])!;
        var differing = fingerprint.Entries.Where(entry => stored.GetValueOrDefault(entry.Key) != entry.Value)
            .Select(entry => $"{entry.Key}: {stored.GetValueOrDefault(entry.Key) ?? "none"} in the checkpoint, {entry.Value} now").ToList();
        if (differing.Count > 0)
            throw new InvalidDataException($"The checkpoint '{path}' belongs to another run ({string.Join("; ", differing)}). Restore these settings, give another checkpoint path, or delete the file to start again.");
    }
}

/// <summary>All that decides the weights that a run ends with, name by name, so that a resume can say what differs.</summary>
/// <param name="Entries">Name to value.</param>
internal sealed record RunFingerprint(IReadOnlyDictionary<string, string> Entries)
{
    /// <summary>The fingerprint of a run.</summary>
    public static RunFingerprint Of(VimModel model, ImageSet training, ImageSet? validation, RetrainOptions options, VimModel? teacher)
    {
        var entries = new Dictionary<string, string>
        {
            ["network"] = model.Weights.Config.ToString(),
            ["schedule"] = string.Join(",", model.Schedule.RemovedPerBlock),
            ["merging"] = model.Merging.ToString(),
            ["preprocessing"] = model.Preprocessing.ToString(),
            ["start weights"] = Hash(model.Weights.Values),
            ["teacher weights"] = teacher is null ? "none" : Hash(teacher.Weights.Values),
            ["training images"] = Describe(training),
            ["validation images"] = validation is null ? "none" : Describe(validation),
        };
        foreach (var property in JsonSerializer.SerializeToElement(options).EnumerateObject()) entries[property.Name] = property.Value.ToString();
        return new RunFingerprint(entries);
    }

    private static string Describe(ImageSet images)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int k = 0; k < images.Count; k++) hash.AppendData([.. BitConverter.GetBytes(images.Indices[k]), .. BitConverter.GetBytes(images.Label(k))]);
        return $"{images.Count} ({Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 6))})";
    }

    private static string Hash(float[] values) => Convert.ToHexStringLower(SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())).AsSpan(0, 8));
}

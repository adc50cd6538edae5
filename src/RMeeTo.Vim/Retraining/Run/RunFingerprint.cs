using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Retraining;

/// <summary>All that decides the weights that a run ends with, name by name, so that a resume can say what differs.</summary>
/// <param name="Entries">Name to value.</param>
internal sealed record RunFingerprint(IReadOnlyDictionary<string, string> Entries)
{
    // Pixels of every image would have to be read from the disk for large sets; of a few they tell one set from another as well.
    private const int ImagesLookedAt = 64;

    private static readonly JsonSerializerOptions s_withFields = new() { IncludeFields = true };

    /// <summary>The fingerprint of a run.</summary>
    public static RunFingerprint Of(ClassifierModel model, ImageSet training, ImageSet? validation, RetrainOptions options, ClassifierModel? teacher)
    {
        var entries = new Dictionary<string, string>
        {
            ["schedule"] = string.Join(",", model.RemovedPerBlock),
            ["start weights"] = Hash(model),
            ["teacher weights"] = teacher is null ? "none" : Hash(teacher),
            ["teacher schedule"] = teacher is null ? "none" : string.Join(",", teacher.RemovedPerBlock),
            ["average start weights"] = options.Ema?.Start is { } average ? Hash(average) : "none",
            ["training images"] = Describe(training),
            ["validation images"] = validation is null ? "none" : Describe(validation),
        };
        foreach (var (name, settings) in model.Settings) Add(name + " ", settings);
        foreach (var (name, settings) in teacher?.Settings ?? []) Add($"teacher {name} ", settings);
        entries["teacher classes"] = teacher is null ? "none"
            : PartialTeacher.Match(model.ClassNames, teacher.ClassNames) is { } places ? string.Join(",", places) : "the network's";
        Add("", options);
        // Those in effect on a CPU, whatever the device: any may carry a run on, with other last bits.
        entries[nameof(RetrainOptions.Lanes)] = $"{options.LanesFor(model.Weights.Parameters.BufferLength * sizeof(float))}";
        return new RunFingerprint(entries);

        void Add(string prefix, object settings)
        {
            // JSON and not ToString, which writes numbers in the language of the machine.
            foreach (var property in JsonSerializer.SerializeToElement(settings, settings.GetType(), s_withFields).EnumerateObject())
                entries[prefix + property.Name] = property.Value.GetRawText();
        }
    }

    /// <summary>Throws where a checkpoint was made by another run.</summary>
    /// <exception cref="InvalidDataException">It was; the message names what differs.</exception>
    public void ThrowIfDifferent(IReadOnlyDictionary<string, string> stored, string path)
    {
        var differing = Entries.Where(entry => stored.GetValueOrDefault(entry.Key) != entry.Value)
            .Select(entry => $"{entry.Key}: {stored.GetValueOrDefault(entry.Key) ?? "none"} in the checkpoint, {entry.Value} now").ToList();
        if (differing.Count > 0)
            throw new InvalidDataException($"The checkpoint '{path}' belongs to another run ({string.Join("; ", differing)}). Restore these settings, give "
                + "another checkpoint path, or delete the file to start again.");
    }

    /// <summary>Count, and a hash of every index and label, and of the pixels of some images.</summary>
    private static string Describe(ImageSet images)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new ImageReadBuffer();
        int stride = (images.Count + ImagesLookedAt - 1) / ImagesLookedAt;
        for (int k = 0; k < images.Count; k++)
        {
            int index = images.Indices[k];
            hash.AppendData([.. BitConverter.GetBytes(index), .. BitConverter.GetBytes(images.Label(k))]);
            if (k % stride != 0) continue;
            for (int frame = 0; frame < images.Store.Frames(index); frame++)
            {
                var image = images.Store.ReadFrame(index, frame, buffer);
                hash.AppendData([.. BitConverter.GetBytes(image.Width), .. BitConverter.GetBytes(image.Height)]);
                hash.AppendData(image.Pixels.Span);
            }
        }
        return $"{images.Count} ({Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 6))})";
    }

    private static string Hash(ClassifierModel model) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(model.Weights.Values.AsSpan())).AsSpan(0, 8));
}

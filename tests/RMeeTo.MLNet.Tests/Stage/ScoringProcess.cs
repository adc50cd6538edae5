using Microsoft.ML;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>What a process does that only has a saved model, and nothing of what fitted it.</summary>
internal static class ScoringProcess
{
    /// <summary>Writes a line for each of FOLDER/0.png … 9.png: the predicted key, and the bits of the scores.</summary>
    public static void Run(string model, string folder, string output)
    {
        var ml = new MLContext();
        var transformer = ml.Model.Load(model, out _);
        var rows = Enumerable.Range(0, 10).Select(i => new PathRow { Id = "r" + i, ImagePath = Path.Combine(folder, $"{i}.png") });
        var scored = ml.Data.CreateEnumerable<Scored>(transformer.Transform(ml.Data.LoadFromEnumerable(rows)), reuseRowObject: false);
        File.WriteAllLines(output, scored.Select(row => $"{row.PredictedLabel} {string.Join(' ', row.Score.Select(BitConverter.SingleToInt32Bits))}"));
    }

    /// <summary>What <see cref="Run"/> wrote.</summary>
    public static Scored[] Read(string output) => [.. File.ReadAllLines(output).Select(line => line.Split(' ')).Select((words, i) => new Scored
    {
        Id = "r" + i,
        PredictedLabel = uint.Parse(words[0]),
        Score = [.. words[1..].Select(bits => BitConverter.Int32BitsToSingle(int.Parse(bits)))],
    })];
}

using Microsoft.ML;
using RMeeTo.MLNet.Tests.Stage;

namespace RMeeTo.MLNet.Tests;

/// <summary>
/// What tests run in a process of its own: load a model as an application does that references the package and never touched it, and write the scores of
/// pictures.
/// </summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        if (args is not [string model, string folder, string output])
        {
            Console.Error.WriteLine("This is a test assembly: run it with 'dotnet test'. Or: MODEL.zip FOLDER OUTPUT loads a model and writes the scores of "
                + "FOLDER/0.png … 9.png.");
            return 2;
        }
        var ml = new MLContext();
        var transformer = ml.Model.Load(model, out _);
        var rows = Enumerable.Range(0, 10).Select(i => new PathRow { Id = "r" + i, ImagePath = Path.Combine(folder, $"{i}.png") });
        var scored = ml.Data.CreateEnumerable<Scored>(transformer.Transform(ml.Data.LoadFromEnumerable(rows)), reuseRowObject: false);
        File.WriteAllLines(output, scored.Select(row => $"{row.PredictedLabel} {string.Join(' ', row.Score.Select(BitConverter.SingleToInt32Bits))}"));
        return 0;
    }
}

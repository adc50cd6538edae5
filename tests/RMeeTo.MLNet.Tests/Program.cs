using Microsoft.ML;
using RMeeTo.MLNet.Tests.Stage;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet.Tests;

/// <summary>
/// What tests run in a process of its own: load a model as an application does that references the package and never touched it, and write the scores of
/// pictures; or fit, to be killed at it.
/// </summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        switch (args)
        {
            case ["score", var model, var folder, var output]:
                ScoringProcess.Run(model, folder, output);
                return 0;
            case ["fit", var folder, var checkpoint]:
                Fit(folder, checkpoint);
                return 0;
            default:
                Console.Error.WriteLine("This is a test assembly: run it with 'dotnet test'. Or: score MODEL.zip FOLDER OUTPUT loads a model and writes the "
                    + "scores of FOLDER/0.png … 9.png; fit FOLDER CHECKPOINT fits to FOLDER/0.png … and tells every step.");
                return 2;
        }
    }

    private static void Fit(string folder, string checkpoint)
    {
        var ml = new MLContext();
        var options = StageKilledTests.Options(checkpoint);
        options.Progress = new Told();
        using var _ = ml.Transforms.VimMergedClassifier(options).Fit(StageKilledTests.Data(ml, folder));
    }

    private sealed class Told : IProgress<RetrainProgress>
    {
        public void Report(RetrainProgress value) => Console.WriteLine($"{value.Epoch} {value.Step} {value.EpochEnded}");
    }
}

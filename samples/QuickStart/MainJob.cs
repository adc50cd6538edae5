using System.Diagnostics;
using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Vim;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Samples;

/// <summary>Pictures, dense network, merge, rebuild, table, model.zip, five files.</summary>
internal static class MainJob
{
    private const int DrawnPerSet = 2000;

    public static void Run(Options options, WorkPlace place, CancellationToken cancellation)
    {
        var mlContext = new MLContext();
        if (options.Images is null) Draw(place.Pictures);
        var pictures = PictureFolder.Open(place.Pictures, options.Seed);
        Console.WriteLine($"{pictures.Train.Count:n0} pictures to train, {pictures.Test.Count:n0} to test, {pictures.Classes.Count} classes");

        var common = new VimMergedClassifierOptions
        {
            Merging = new() { ClassPosition = options.ExactPosition ? MergeClassPosition.Exact : MergeClassPosition.Formula },
            Retraining = Recipe.For(options),
            Progress = new ProgressPrinter(),
            CancellationToken = cancellation,
        };
        string checkpoint = new DenseNetwork(mlContext, pictures, options, common, place.Folder).Find();
        var config = VimModel.Load(checkpoint).Config;
        int tokensPerMerge = options.TokensPerMerge ?? Recipe.TokensPerMerge(config);
        Console.WriteLine($"{Path.GetFileName(checkpoint)}: width {config.Width}, {config.Depth} blocks; {tokensPerMerge} tokens a merge: "
            + $"{MergeSchedule.Uniform(config, tokensPerMerge)}");

        var job = new Rebuilder(mlContext, pictures, common, options.Work);
        var dense = job.Merge(checkpoint, 0);
        var merged = job.Merge(checkpoint, tokensPerMerge);
        Console.WriteLine($"Merging and rebuilding ({common.Retraining.Epochs} epoch{(common.Retraining.Epochs == 1 ? "" : "s")}) ...");
        var rebuilt = job.Rebuild(checkpoint, tokensPerMerge, common.Retraining.Epochs);

        var speeds = Throughput.Measure([dense.Network, merged.Network, rebuilt.Network], pictures.Test, options.Threads);
        Table.Print([("dense", dense), ("merged without re-training", merged), ("merged and rebuilt", rebuilt)], speeds);
        Table.PrintRecovery(dense, merged, rebuilt);

        mlContext.Model.Save(rebuilt.Pipeline, job.Schema, place.Output);
        if (rebuilt.Classifier.Retraining is not { Cancelled: true }) job.Forget(tokensPerMerge);
        Console.WriteLine($"Saved {place.Output} ({new FileInfo(place.Output).Length / 1048576.0:0.0} MB). Loaded in a new MLContext, it says of five files:");
        SavedPipeline.Classify(place.Output, pictures.Test.Where((_, i) => i % (pictures.Test.Count / 5) == 0).Take(5), place.Pictures);
    }

    private static void Draw(string folder)
    {
        var clock = Stopwatch.StartNew();
        DrawnPictures.Write(folder, DrawnPerSet);
        Console.WriteLine($"Drew {2 * DrawnPerSet:n0} pictures in {clock.Elapsed.TotalSeconds:0.0} s: {folder}");
    }
}

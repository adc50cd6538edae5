using System.Diagnostics;
using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>The main job as an ML.NET pipeline.</summary>
internal sealed class Rebuilder(MLContext mlContext, PictureFolder pictures, VimMergedClassifierOptions common)
{
    private readonly IDataView _train = mlContext.Data.LoadFromEnumerable(pictures.Train);
    private readonly IDataView _test = mlContext.Data.LoadFromEnumerable(pictures.Test);

    /// <summary>Columns of the pictures' rows.</summary>
    public DataViewSchema Schema => _train.Schema;

    /// <summary>From file and label to a class: what merging means is all in the third line.</summary>
    public IEstimator<ITransformer> Pipeline(VimMergedClassifierOptions stage) => mlContext.Transforms.Conversion.MapValueToKey("Label")
        .Append(mlContext.Transforms.LoadImages("Image", "", "ImagePath"))
        .Append(mlContext.Transforms.VimMergedClassifier(stage))
        .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));

    /// <summary>The network as it is, with or without merges.</summary>
    public Fitted Merge(string checkpoint, int tokensPerMerge) => Fit(checkpoint, tokensPerMerge, 0);

    /// <summary>Merges and re-trains.</summary>
    public Fitted Rebuild(string checkpoint, int tokensPerMerge, int epochs) => Fit(checkpoint, tokensPerMerge, epochs);

    private Fitted Fit(string checkpoint, int tokensPerMerge, int epochs)
    {
        var stage = new VimMergedClassifierOptions
        {
            Checkpoint = checkpoint,
            TokensPerMerge = tokensPerMerge,
            Merging = common.Merging,
            Epochs = epochs,
            Retraining = common.Retraining,
            Progress = common.Progress,
            CancellationToken = common.CancellationToken,
        };
        var clock = Stopwatch.StartNew();
        var model = Pipeline(stage).Fit(_train);
        var network = ((IEnumerable<ITransformer>)model).OfType<VimMergedClassifierTransformer>().Single();
        double minutes = clock.Elapsed.TotalMinutes;
        if (network.Retraining is { Cancelled: true } stopped) Console.WriteLine($"Stopped; the network of epoch {stopped.BestEpoch}, the best so far, goes on.");
        double top1 = mlContext.MulticlassClassification.Evaluate(model.Transform(_test)).MicroAccuracy;
        return new(model, network.Model, top1, minutes);
    }
}

/// <summary>A fitted pipeline.</summary>
/// <param name="Pipeline">All stages.</param>
/// <param name="Network">The network in it.</param>
/// <param name="Top1">Share of the test pictures classified rightly.</param>
/// <param name="Minutes">How long fitting took.</param>
internal sealed record Fitted(ITransformer Pipeline, VimModel Network, double Top1, double Minutes);

using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>The main job as an ML.NET pipeline.</summary>
/// <param name="work">Folder that keeps the state of the rebuild, so that the same command goes on after a stop; null: nothing is kept.</param>
internal sealed class Rebuilder(MLContext mlContext, PictureFolder pictures, VimMergedClassifierOptions common, string? work)
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

    /// <summary>Merges and re-trains, or does what is left of it.</summary>
    public Fitted Rebuild(string checkpoint, int tokensPerMerge, int epochs) =>
        Fit(checkpoint, tokensPerMerge, epochs, StateFile(tokensPerMerge));

    /// <summary>Deletes the state of a rebuild that is finished and saved.</summary>
    public void Forget(int tokensPerMerge)
    {
        if (StateFile(tokensPerMerge) is { } file) File.Delete(file);
    }

    private string? StateFile(int tokensPerMerge) => work is null ? null : Path.Combine(work, $"rebuild-{tokensPerMerge}.training");

    private Fitted Fit(string checkpoint, int tokensPerMerge, int epochs, string? stateFile = null)
    {
        var stage = new VimMergedClassifierOptions
        {
            Checkpoint = checkpoint,
            TokensPerMerge = tokensPerMerge,
            Merging = common.Merging,
            Epochs = epochs,
            Retraining = common.Retraining with { CheckpointPath = stateFile },
            Progress = common.Progress,
            CancellationToken = common.CancellationToken,
        };
        var model = Pipeline(stage).Fit(_train);
        var network = ((IEnumerable<ITransformer>)model).OfType<VimMergedClassifierTransformer>().Single();
        double minutes = (network.Retraining?.Epochs.Sum(epoch => epoch.Seconds) ?? 0) / 60;
        if (network.Retraining is { Cancelled: true } stopped)
            Console.WriteLine($"Stopped; the network of epoch {stopped.BestEpoch}, the best so far, is shown"
                + $"{(work is null ? "" : "; the same command trains on")}.");
        double top1 = mlContext.MulticlassClassification.Evaluate(model.Transform(_test)).MicroAccuracy;
        return new(model, network, top1, minutes);
    }
}

/// <summary>A fitted pipeline.</summary>
/// <param name="Pipeline">All stages.</param>
/// <param name="Classifier">The network's stage among them.</param>
/// <param name="Top1">Share of the test pictures classified rightly.</param>
/// <param name="Minutes">How long its epochs took, those before a stop included.</param>
internal sealed record Fitted(ITransformer Pipeline, VimMergedClassifierTransformer Classifier, double Top1, double Minutes)
{
    /// <summary>The network.</summary>
    public VimModel Network => Classifier.Model;
}

using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Samples;

/// <summary>The network to merge: the one that lies beside the sample, the user's, or one that is trained here first.</summary>
internal sealed class DenseNetwork(MLContext mlContext, PictureFolder pictures, Options options, VimMergedClassifierOptions common, string work)
{
    private string File => Path.Combine(work, "dense.safetensors");

    /// <summary>Path of a network that knows the classes of the pictures.</summary>
    public string Find()
    {
        string checkpoint = options.Checkpoint ?? Path.Combine(AppContext.BaseDirectory, "demo-vim.safetensors");
        if (!options.FromScratch && KnowsClasses(checkpoint)) return checkpoint;
        if (System.IO.File.Exists(File))
        {
            Console.WriteLine($"The network without merges was trained before: {File}");
            return File;
        }
        Console.WriteLine(options.FromScratch
            ? "Training a network from scratch, without merges ..."
            : $"{checkpoint} has other classes; re-training it without merges first ...");
        var stage = Stage(options.FromScratch ? null : checkpoint);
        var model = mlContext.Transforms.LoadImages("Image", "", "ImagePath").Append(mlContext.Transforms.VimMergedClassifier(stage))
            .Fit(mlContext.Data.LoadFromEnumerable(pictures.Train));
        var network = model.LastTransformer;
        if (network.Retraining is { Cancelled: true } && options.Work is not null)
            throw new OperationCanceledException($"Stopped; the same command goes on from {work}.");
        network.SaveCheckpoint(File);
        System.IO.File.Delete(stage.Retraining.CheckpointPath!); // its job is done, and it takes four times the weights
        return File;
    }

    private VimMergedClassifierOptions Stage(string? checkpoint) => new()
    {
        FromScratch = checkpoint is null,
        Checkpoint = checkpoint,
        Config = checkpoint is null
            ? new VimConfig
            {
                ImageHeight = options.Size, ImageWidth = options.Size, PatchSize = options.Patch, Stride = options.Patch,
                Width = options.Width, Depth = options.Depth,
            }
            : null,
        CropRatio = checkpoint is null ? 1 : null,
        TokensPerMerge = 0,
        Progress = common.Progress,
        CancellationToken = common.CancellationToken,
        Retraining = common.Retraining with
        {
            Epochs = options.DenseEpochs,
            BatchSize = 32,
            LearningRate = options.DenseLearningRate ?? (checkpoint is null ? 1e-3 : 2e-4),
            WarmupEpochs = Math.Min(1, options.DenseEpochs / 10.0),
            TeacherLossWeight = 0,
            CheckpointPath = Path.Combine(work, "dense.training"),
        },
    };

    private bool KnowsClasses(string checkpoint)
    {
        try
        {
            return pictures.Classes.All(VimModel.Load(checkpoint).ClassNames.Contains);
        }
        catch (CheckpointMismatchException)
        {
            return false; // a plain state dict, without names
        }
    }
}

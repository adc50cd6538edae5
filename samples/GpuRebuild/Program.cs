using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using RMeeTo.MLNet;
using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

// Merges a network and rebuilds it on a GPU, then classifies with it there and on the CPU.
//   dotnet run -c Release --project samples/GpuRebuild                                   (the demo's pictures and network)
//   dotnet run -c Release --project samples/GpuRebuild -- FOLDER vim_t_midclstok_76p1acc.pth [TensorFloat32|BFloat16]
// FOLDER holds train/CLASS/*.jpg and val/CLASS/*.jpg, or CLASS/*.jpg. The project file adds the CUDA package of this system, some 3 GB; an application needs
// nothing more. Where no GPU can be used the CPU serves, and the log says why.
string? images = args.Length > 0 ? args[0] : null;
string checkpoint = args.Length > 1 ? args[1] : Path.Combine(AppContext.BaseDirectory, "demo-vim.safetensors");
var precision = args.Length > 2 ? Enum.Parse<MatrixPrecision>(args[2], ignoreCase: true) : MatrixPrecision.Float32;
var config = VimModel.Load(checkpoint).Config;
int tokensPerMerge = Enumerable.Range(0, config.Tokens / 2).MinBy(tokens => Math.Abs(MergeSchedule.Uniform(config, tokens).ReductionRatio - 0.3));
string work = Directory.CreateTempSubdirectory("rmeeto-gpu-").FullName;
try
{
    if (images is null) DrawnPictures.Write(work, count: 2000);
    var pictures = PictureFolder.Open(images ?? work, seed: 1);

    var ml = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = true };
    ml.Log += (_, e) =>
    {
        if (e.Kind == ChannelMessageKind.Warning || e.RawMessage.StartsWith("Device", StringComparison.Ordinal)) Console.WriteLine(e.RawMessage);
    };
    var train = ml.Data.LoadFromEnumerable(pictures.Train);
    var test = ml.Data.LoadFromEnumerable(pictures.Test);
    var pipeline = ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Transforms.VimMergedClassifier(new VimMergedClassifierOptions
    {
        ImageColumnName = "ImagePath",
        Checkpoint = checkpoint,
        TokensPerMerge = tokensPerMerge,
        GpuMatrixPrecision = precision,
        Retraining = images is null
            ? new() { Epochs = 10, BatchSize = 32, LearningRate = 1e-3, MinimumCropArea = 1 } // a part of a drawn shape may look like another class
            : RetrainOptions.Default,
        Progress = new ProgressPrinter(),
    }));

    var clock = Stopwatch.StartNew();
    var model = pipeline.Fit(train);
    Console.WriteLine($"Rebuilt in {clock.Elapsed.TotalMinutes:0.0} minutes: {model.LastTransformer.Schedule}");
    Measure(ml, model);

    // A model knows nothing of the device that trained it.
    string file = Path.Combine(work, "model.zip");
    ml.Model.Save(model, train.Schema, file);
    var cpu = new MLContext();
    Measure(cpu, cpu.Model.Load(file, out _));

    void Measure(MLContext context, ITransformer classifier)
    {
        var watch = Stopwatch.StartNew();
        double top1 = context.MulticlassClassification.Evaluate(classifier.Transform(test)).MicroAccuracy;
        Console.WriteLine($"{(context.GpuDeviceId is { } gpu ? $"asked for GPU {gpu}" : "asked for nothing, so on the CPU")}: {top1:P1} of {pictures.Test.Count} right, "
            + $"{pictures.Test.Count / watch.Elapsed.TotalSeconds:0} images/s with reading and decoding");
    }
}
finally
{
    Directory.Delete(work, recursive: true);
}

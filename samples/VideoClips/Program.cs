using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;

// Classifies clips by what moves in them: a clip is a folder with one image file a frame. A small VideoMamba learns from nothing here;
// with Checkpoint in place of FromScratch it would start from published weights.
//   dotnet run -c Release --project samples/VideoClips
string root = Directory.CreateTempSubdirectory("rmeeto-clips-").FullName;
try
{
    var ml = new MLContext(seed: 1);
    var train = ml.Data.LoadFromEnumerable(MovingSquare.Draw(root, 0, 240));
    var test = ml.Data.LoadFromEnumerable(MovingSquare.Draw(root, 1000, 100));
    var network = VimConfig.VideoMambaTinyVideo with
    {
        Frames = 4, ImageHeight = MovingSquare.Size, ImageWidth = MovingSquare.Size, PatchSize = 4, Stride = 4, Width = 32, Depth = 4, StateSize = 4,
    };
    var pipeline = ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Transforms.VimMergedClassifier(new VimMergedClassifierOptions
    {
        ImageColumnName = "Folder",
        FromScratch = true,
        Config = network,
        TokensPerMerge = 8,
        TopK = 1,
        Epochs = 20,
        // No mirrored clips: they move the other way.
        Retraining = new() { LearningRate = 3e-3, BatchSize = 16, WarmupEpochs = 1, LabelSmoothing = 0, MinimumCropArea = 1, FlipProbability = 0 },
    }));
    var model = pipeline.Fit(train);
    var classifier = model.LastTransformer;
    Console.WriteLine($"{classifier.Schedule}; one view: {Top1():P1} of the test clips are right");
    classifier.Views = ClipViews.Published; // 4 places in time, 3 crops each
    Console.WriteLine($"{classifier.Views.Times} × {classifier.Views.Crops} views: {Top1():P1}");

    ml.Model.Save(model, train.Schema, Path.Combine(root, "model.zip"));
    using var engine = ml.Model.CreatePredictionEngine<MovingSquare, Answer>(ml.Model.Load(Path.Combine(root, "model.zip"), out _));
    foreach (var clip in MovingSquare.Draw(root, 2000, 4))
    {
        var answer = engine.Predict(clip);
        string name = Path.GetFileName(clip.Folder);
        Console.WriteLine($"{name} moves {clip.Label}; the network says {answer.TopKLabels[0]}, {answer.TopKProbabilities[0]:P1} sure");
    }

    double Top1() => ml.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy;
}
finally
{
    Directory.Delete(root, recursive: true);
}

using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

// Trains the checkpoint of samples/QuickStart from scratch, with RMeeTo.Vim alone. The same bytes come out on any number of threads, and after a stop and a new start.
//   dotnet run -c Release --project samples/TrainDemoModel -- samples/QuickStart/demo-vim.safetensors
// Without a file to write it only shows that it works: one epoch of few pictures.
bool full = args.Length > 0;
string output = full ? args[0] : Path.Combine(Path.GetTempPath(), "rmeeto-smoke.safetensors");
int pictures = full ? 24_000 : 320;

var config = new VimConfig { ImageHeight = ShapePicture.Size, ImageWidth = ShapePicture.Size, PatchSize = 8, Stride = 6, Width = 64, Depth = 8, StateSize = 8, Classes = Shape.Names.Length };
var model = new VimModel(VimInitializer.Create(config, seed: 1), Shape.Names,
    preprocessing: new() { ImageHeight = ShapePicture.Size, ImageWidth = ShapePicture.Size, CropRatio = 1 });
Console.WriteLine($"{model.Weights.Values.Length:n0} parameters, {config.Tokens} tokens, {pictures:n0} pictures");

using var training = Draw(PictureSet.CheckpointTraining, pictures);
using var validation = Draw(PictureSet.CheckpointValidation, pictures / 16);
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };

var result = Retrainer.Run(model, new ImageSet(training), new ImageSet(validation), new RetrainOptions
{
    Epochs = full ? 9 : 1,
    BatchSize = 32,
    LearningRate = 2e-3,
    WarmupEpochs = full ? 0.5 : 0,
    TeacherLossWeight = 0, // there is nobody to learn from
    LabelSmoothing = 0.05,
    MinimumCropArea = 1, // the shapes fill the pictures; a part of one may look like another class
    Seed = 1,
    CheckpointPath = full ? output + ".training" : null,
    Progress = new Printer(),
}, cancellation: stop.Token);
if (!result.Cancelled) result.Model.Save(output);
Console.WriteLine(result.Cancelled
    ? $"Stopped; the same command goes on from {output}.training."
    : $"{output}: epoch {result.BestEpoch}, validation top-1 {result.BestTop1:P1}, {result.Duration.TotalMinutes:0.0} minutes");
return result.Cancelled ? 1 : 0;

static ImageStore Draw(PictureSet set, int count)
{
    var drawn = new byte[count][];
    Parallel.For(0, count, number => drawn[number] = ShapePicture.Draw(set, number));
    var store = new ImageStore();
    for (int number = 0; number < count; number++) store.Add(new RgbImage(drawn[number], ShapePicture.Size, ShapePicture.Size), ShapePicture.ClassOf(number));
    return store;
}

internal sealed class Printer : IProgress<RetrainProgress>
{
    public void Report(RetrainProgress value)
    {
        if (value.EpochEnded || value.Step % 100 == 0) Console.WriteLine(value);
    }
}

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Samples;

/// <summary>Runs cells; each result is a file of its own, and is not computed again where the file is there.</summary>
internal sealed class Study(
    StudyOptions options, string work, ImageStore training, ImageStore test, IReadOnlyList<string> classNames, CancellationToken cancellation)
{
    private readonly List<RgbImage> _testImages = [.. Enumerable.Range(0, test.Count).Select(i => test.Read(i))];

    /// <summary>The result of a cell, or null where it was not computed yet.</summary>
    public CellResult? Find(Cell cell, int seed) =>
        File.Exists(ResultFile(cell, seed)) ? JsonSerializer.Deserialize<CellResult>(File.ReadAllText(ResultFile(cell, seed))) : null;

    /// <summary>Computes a cell, or what is left of it.</summary>
    public CellResult Run(Cell cell, int seed)
    {
        var dense = Dense(seed);
        var merged = dense.WithSchedule(cell.ScheduleFor(dense.Config), cell.Merging);
        if (cell.Epochs == 0) return Find(cell, seed) ?? Save(cell, seed, merged, 0); // that of the un-merged network is saved when it is trained
        string checkpoint = Path.Combine(Folder(seed), cell.Key + ".training");
        var result = Train(merged, options.Rebuild((ulong)seed, cell.Epochs), checkpoint, Share(cell.DataShare, seed), dense);
        var saved = Save(cell, seed, result.Model, Minutes(result));
        File.Delete(checkpoint);
        return saved;
    }

    private string Folder(int seed) => Directory.CreateDirectory(Path.Combine(work, $"seed{seed}")).FullName;

    private string ResultFile(Cell cell, int seed) => Path.Combine(Folder(seed), cell.Key + ".json");

    /// <summary>The un-merged network of a seed, trained from scratch where it is not there.</summary>
    private VimModel Dense(int seed)
    {
        string file = Path.Combine(Folder(seed), "dense.safetensors");
        if (File.Exists(file)) return VimModel.Load(file);
        var config = options.Network(classNames.Count);
        var preprocessing = new EvaluationPreprocessing { ImageHeight = config.ImageHeight, ImageWidth = config.ImageWidth, CropRatio = 1 };
        var start = new VimModel(VimInitializer.Create(config, (ulong)seed), classNames, preprocessing: preprocessing);
        string checkpoint = Path.Combine(Folder(seed), "dense.training");
        var result = Train(start, options.Dense((ulong)seed), checkpoint, new ImageSet(training), null);
        Save(Cell.Dense, seed, result.Model, Minutes(result));
        result.Model.Save(file);
        File.Delete(checkpoint);
        return result.Model;
    }

    private RetrainResult<VimModel> Train(VimModel model, RetrainOptions recipe, string checkpoint, ImageSet images, VimModel? teacher)
    {
        var watched = recipe with { CheckpointPath = checkpoint, LogPath = Path.ChangeExtension(checkpoint, "jsonl"), Progress = new ProgressPrinter() };
        var result = Retrainer.Run(model, images, null, watched, teacher, cancellation);
        return result.Cancelled ? throw new OperationCanceledException(cancellation) : result;
    }

    private static double Minutes(RetrainResult<VimModel> result) => result.Epochs.Sum(epoch => epoch.Seconds) / 60;

    private ImageSet Share(double share, int seed) => share == 1 ? new ImageSet(training) : new ImageSet(training).StratifiedPart(share, (ulong)seed);

    private CellResult Save(Cell cell, int seed, VimModel model, double minutes)
    {
        var result = new CellResult(Top1(model), minutes, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(model.Weights.Values.AsSpan()))));
        string file = ResultFile(cell, seed);
        File.WriteAllText(file + ".new", JsonSerializer.Serialize(result));
        File.Move(file + ".new", file, overwrite: true);
        return result;
    }

    private double Top1(VimModel model)
    {
        using var classifier = new VimClassifier(model, options.Threads);
        int classes = classNames.Count;
        var probabilities = new float[_testImages.Count * classes];
        classifier.Predict(_testImages, probabilities, cancellation);
        int right = Enumerable.Range(0, _testImages.Count).Count(i => test.Label(i) == MostProbable(probabilities.AsSpan(i * classes, classes)));
        return right / (double)_testImages.Count;
    }

    private static int MostProbable(ReadOnlySpan<float> probabilities)
    {
        int best = 0;
        for (int i = 1; i < probabilities.Length; i++)
            if (probabilities[i] > probabilities[best]) best = i;
        return best;
    }
}

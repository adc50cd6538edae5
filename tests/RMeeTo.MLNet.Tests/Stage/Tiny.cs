using Microsoft.ML;
using Microsoft.ML.Data;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>A tiny network, fitted in a moment, and short ways to use it.</summary>
internal static class Tiny
{
    public static readonly VimConfig Config = new() { ImageHeight = 32, ImageWidth = 32, PatchSize = 8, Stride = 8, Width = 16, Depth = 4, StateSize = 4 };

    private static readonly Lazy<TransformerChain<VimMergedClassifierTransformer>> SharedChain =
        new(() => Pipeline(new MLContext(), Options()).Fit(Data(new MLContext(), 0, 60)));

    /// <summary>Label to key, file to image, classifier; fitted to 60 pictures. Never disposed.</summary>
    public static TransformerChain<VimMergedClassifierTransformer> Chain => SharedChain.Value;

    /// <summary>The classifier of <see cref="Chain"/>.</summary>
    public static VimMergedClassifierTransformer Classifier => Chain.LastTransformer;

    /// <summary>From scratch, a few quick epochs.</summary>
    public static VimMergedClassifierOptions Options(int epochs = 6) => new()
    {
        FromScratch = true,
        Config = Config,
        TokensPerMerge = 4,
        CropRatio = 1,
        Epochs = epochs,
        Retraining = new RetrainOptions { LearningRate = 5e-3, BatchSize = 12, MinimumCropArea = 0.5, LabelSmoothing = 0, FlipProbability = 0 },
    };

    /// <summary>Random weights of <see cref="Config"/> for these classes.</summary>
    public static VimModel Model(params string[] classes) => new(VimInitializer.Create(Config with { Classes = classes.Length }, seed: 7), classes);

    /// <summary>Merges a model with random weights, without training.</summary>
    public static VimMergedClassifierOptions MergeOnly(params string[] classes) =>
        new() { Model = Model(classes), TokensPerMerge = 4, Epochs = 0, CropRatio = 1 };

    public static IDataView Data(MLContext ml, int first, int count, bool wholePaths = false) =>
        ml.Data.LoadFromEnumerable(Pictures.Rows(first, count, wholePaths));

    public static EstimatorChain<VimMergedClassifierTransformer> Pipeline(MLContext ml, VimMergedClassifierOptions options) =>
        ml.Transforms.Conversion.MapValueToKey("Label")
        .Append(ml.Transforms.LoadImages("Image", Pictures.Folder, "ImagePath"))
        .Append(ml.Transforms.VimMergedClassifier(options));

    /// <summary>The first pictures, as the stage keeps them, for training without the stage.</summary>
    public static ImageStore Store(EvaluationPreprocessing preprocessing, int count)
    {
        var store = new ImageStore(new() { ShorterEdge = preprocessing.ShorterEdge });
        foreach (var row in Pictures.Rows(0, count, wholePaths: true))
        {
            using var image = MLImage.CreateFromFile(row.ImagePath);
            var pixels = PixelConversion.ToRgb(image.Pixels, image.Width, image.Height, image.PixelFormat);
            store.Add(store.Reduce(pixels), Array.IndexOf(Pictures.Classes, row.Label), row.Id);
        }
        return store;
    }

    /// <summary>Paths in place of pictures: images decoded by the workers.</summary>
    public static VimMergedClassifierOptions FromPaths(VimMergedClassifierOptions options)
    {
        options.ImageColumnName = "ImagePath";
        return options;
    }

    public static Scored[] Read(MLContext ml, IDataView view) => [.. ml.Data.CreateEnumerable<Scored>(view, reuseRowObject: false)];

    public static void AreSame(IReadOnlyList<Scored> expected, IReadOnlyList<Scored> actual)
    {
        Assert.AreEqual(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.AreEqual(expected[i].Id, actual[i].Id);
            Assert.AreEqual(expected[i].PredictedLabel, actual[i].PredictedLabel, expected[i].Id);
            CollectionAssert.AreEqual(expected[i].Score, actual[i].Score, expected[i].Id);
        }
    }

    /// <summary>Lines that the stage wrote into the log.</summary>
    public static List<string> Log(MLContext ml)
    {
        var lines = new List<string>();
        ml.Log += (_, e) =>
        {
            if (!e.Source.StartsWith("VimMergedClassifier")) return;
            lock (lines) lines.Add($"{e.Kind}: {e.RawMessage}");
        };
        return lines;
    }

    public static void HasLine(List<string> lines, string part)
    {
        lock (lines) Assert.IsTrue(lines.Any(line => line.Contains(part)), $"no line with '{part}' in:\n{string.Join("\n", lines)}");
    }

    public static T Throws<T>(Action action, params string[] parts) where T : Exception
    {
        var thrown = Assert.Throws<T>(action);
        foreach (string part in parts) Assert.Contains(part, thrown.Message);
        return thrown;
    }

    public static string[] Texts(DataViewSchema.Column column, string annotation)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.Annotations.GetValue(annotation, ref values);
        return [.. values.DenseValues().Select(text => text.ToString())];
    }
}

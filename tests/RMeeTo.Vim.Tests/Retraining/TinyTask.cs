using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>
/// A task of three classes that a tiny network learns in a second: in which third of a noisy picture, from top to bottom, the one bright patch lies. Where
/// something is has to be carried along the tokens, so merging without re-training costs accuracy.
/// </summary>
internal static class TinyTask
{
    /// <summary>24×24 pixels, 36 patches.</summary>
    public static VimConfig Config { get; } = new()
    {
        ImageHeight = 24,
        ImageWidth = 24,
        PatchSize = 4,
        Stride = 4,
        Width = 16,
        Depth = 4,
        StateSize = 4,
        Classes = 3,
    };

    /// <summary>Options under which nothing is left to chance but the order.</summary>
    public static RetrainOptions Options { get; } = new()
    {
        Epochs = 2,
        BatchSize = 10,
        LearningRate = 3e-3,
        MinimumCropArea = 1,
        FlipProbability = 0.5,
        TeacherLossWeight = 0,
        Threads = 1,
        Seed = 7,
    };

    /// <summary>Freshly initialised.</summary>
    public static VimModel Model(int tokensPerMerge = 0, ulong seed = 1) =>
        new(VimInitializer.Create(Config, seed), ["top", "middle", "bottom"], MergeSchedule.Uniform(Config, tokensPerMerge, interval: 1));

    /// <summary>Pictures; the same for the same seed.</summary>
    public static ImageSet Images(int count, int seed)
    {
        var random = new Random(seed);
        var store = new ImageStore();
        for (int i = 0; i < count; i++)
        {
            int label = i % 3, edge = Config.ImageWidth;
            var pixels = new byte[3 * edge * edge];
            for (int p = 0; p < pixels.Length; p++) pixels[p] = (byte)random.Next(100);
            var (top, left) = (8 * label + 4 * random.Next(2), 4 * random.Next(edge / 4));
            for (int y = 0; y < 4; y++) pixels.AsSpan(3 * ((top + y) * edge + left), 12).Fill(255);
            store.Add(new RgbImage(pixels, edge, edge), label, $"image {i}");
        }
        return new ImageSet(store);
    }

    /// <summary>The same pictures with labels that say nothing about them.</summary>
    public static ImageSet Mislabelled(ImageSet images)
    {
        var store = new ImageStore();
        for (int k = 0; k < images.Count; k++) store.Add(images.Store.Read(images.Indices[k]), k / 3 % 3);
        return new ImageSet(store);
    }

    /// <summary>Share of the images that are classified rightly.</summary>
    public static double Top1(VimModel model, ImageSet images)
    {
        using var classifier = new VimClassifier(model, threads: 1);
        return Top1(classifier, images);
    }

    /// <summary>Share of the images that are classified rightly.</summary>
    public static double Top1(ImageClassifier classifier, ImageSet images)
    {
        var probabilities = new float[images.Count * Config.Classes];
        classifier.Predict([.. images.Indices.Select(images.Store.Read)], probabilities);
        int right = Enumerable.Range(0, images.Count).Count(k => ImageClassifier.IndexOfMax(probabilities.AsSpan(k * 3, 3)) == images.Label(k));
        return right / (double)images.Count;
    }

    /// <summary>The weights of two models are the same, bit for bit.</summary>
    public static void AssertSameWeights(ClassifierModel expected, ClassifierModel actual, string what) =>
        Assert.IsTrue(expected.Weights.Values.AsSpan().SequenceEqual(actual.Weights.Values), what);
}

using System.Diagnostics;
using Microsoft.ML.Data;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;

namespace RMeeTo.Samples;

/// <summary>Images a second of several networks, measured side by side: in turns, each by its fastest turn, for whatever else the machine does can only slow it down.</summary>
internal static class Throughput
{
    private const int Images = 200, LeastTurns = 5, MostTurns = 40;
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(12);

    /// <summary>Images a second of each network.</summary>
    /// <param name="networks">What to compare.</param>
    /// <param name="pictures">Decoded beforehand; resizing and normalising are part of the time.</param>
    /// <param name="threads">0: one a processor.</param>
    public static double[] Measure(IReadOnlyList<VimModel> networks, IEnumerable<Picture> pictures, int threads)
    {
        RgbImage[] images = [.. pictures.Take(Images).Select(Decode)];
        VimClassifier[] classifiers = [.. networks.Select(network => new VimClassifier(network, threads))];
        foreach (var classifier in classifiers) Time(classifier, images); // compiles, and warms the caches
        var fastest = classifiers.Select(_ => double.MaxValue).ToArray();
        var clock = Stopwatch.StartNew();
        for (int turn = 0; turn < LeastTurns || (turn < MostTurns && clock.Elapsed < Enough); turn++)
            for (int i = 0; i < classifiers.Length; i++) fastest[i] = Math.Min(fastest[i], Time(classifiers[i], images));
        foreach (var classifier in classifiers) classifier.Dispose();
        return [.. fastest.Select(seconds => images.Length / seconds)];
    }

    private static double Time(VimClassifier classifier, RgbImage[] images)
    {
        var probabilities = new float[images.Length * classifier.Model.ClassNames.Count];
        long start = Stopwatch.GetTimestamp();
        classifier.Predict(images, probabilities);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static RgbImage Decode(Picture picture)
    {
        using var image = MLImage.CreateFromFile(picture.ImagePath);
        return image.PixelFormat == MLPixelFormat.Bgra32 ? RgbImage.FromBgra(image.Pixels, image.Width, image.Height) : RgbImage.FromRgba(image.Pixels, image.Width, image.Height);
    }
}

using System.Diagnostics;
using Microsoft.ML.Data;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;

namespace RMeeTo.Samples;

/// <summary>Images a second of several networks, measured side by side: in turns, so that whatever else the machine does strikes all alike.</summary>
internal static class Throughput
{
    private const int Rounds = 9;

    /// <summary>The median of the rounds, for each network.</summary>
    /// <param name="networks">What to compare.</param>
    /// <param name="pictures">Decoded beforehand; resizing and normalising are part of the time.</param>
    /// <param name="threads">0: one a processor.</param>
    public static double[] Measure(IReadOnlyList<VimModel> networks, IEnumerable<Picture> pictures, int threads)
    {
        RgbImage[] images = [.. pictures.Take(400).Select(Decode)];
        VimClassifier[] classifiers = [.. networks.Select(network => new VimClassifier(network, threads))];
        try
        {
            foreach (var classifier in classifiers) Time(classifier, images);
            var seconds = classifiers.Select(_ => new List<double>()).ToArray();
            for (int round = 0; round < Rounds; round++)
                for (int i = 0; i < classifiers.Length; i++) seconds[i].Add(Time(classifiers[i], images));
            return [.. seconds.Select(times => images.Length / times.Order().ElementAt(Rounds / 2))];
        }
        finally
        {
            foreach (var classifier in classifiers) classifier.Dispose();
        }
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

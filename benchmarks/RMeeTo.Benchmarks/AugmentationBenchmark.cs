using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Benchmarks;

/// <summary>
/// What it costs to make network input of a decoded training image: without RandAugment and erasing, with both as in the paper, and each operation by itself at
/// magnitude 9. One thread; all cases take turns; a sample is several images, since each draws operations of its own.
/// </summary>
internal static class AugmentationBenchmark
{
    private static readonly RgbColor s_fill = new(124, 116, 104);

    public static void Run(BenchmarkOptions options)
    {
        int images = options.Smoke ? 2 : 200;
        foreach (var (edge, width, height) in new[] { (224, 500, 375), (96, 128, 110) })
        {
            var cases = Cases(edge, Picture(width, height), images).Where((item, i) => i == 0 || options.Selects(item.Name)).ToList();
            for (int round = 0; round < (options.Smoke ? 1 : 7); round++)
                foreach (var item in cases) item.Time(1);
            Console.WriteLine($"{$"{Clock.Name} {width}×{height} to {edge}×{edge}, one thread.",-50}{"ms an image",12}{"to the first",14}");
            foreach (var item in cases) Console.WriteLine($"{item.Name,-50}{1000 * item.Median / images,12:F3}{item.Median / cases[0].Median,14:F2}");
        }
    }

    private static IEnumerable<TakingTurns> Cases(int edge, RgbImage picture, int images)
    {
        var plain = new TrainingPreprocessing(new EvaluationPreprocessing { ImageHeight = edge, ImageWidth = edge });
        var output = new float[plain.Evaluation.OutputLength];
        yield return Whole("crop, flip, normalise", plain);
        yield return Whole("the same with RandAugment", plain with { Policy = new RandAugment() });
        yield return Whole("the same with RandAugment and erasing", plain with { Policy = new RandAugment(), Erasing = new RandomErasing() });
        byte[] start = Picture(edge, edge).Pixels.ToArray(), rgb = new byte[start.Length];
        foreach (var kind in Enum.GetValues<ImageOperationKind>())
        {
            yield return new($"{kind} alone", () =>
            {
                for (int i = 0; i < images; i++)
                {
                    start.CopyTo(rgb, 0);
                    ImageOperation.AtMagnitude(kind, 9, negative: i % 2 == 1).Apply(rgb, edge, edge, s_fill);
                }
            });
        }

        TakingTurns Whole(string name, TrainingPreprocessing preprocessing) => new(name, () =>
        {
            for (int sample = 0; sample < images; sample++) preprocessing.Apply(picture, output, 1, 0, sample);
        });
    }

    /// <summary>Patches of colour with some noise.</summary>
    private static RgbImage Picture(int width, int height)
    {
        var random = new Random(1);
        var patches = new byte[3 * (width / 16 + 1) * (height / 16 + 1)];
        random.NextBytes(patches);
        var pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i++)
        {
            int x = i / 3 % width, y = i / 3 / width;
            pixels[i] = (byte)((15 * patches[3 * (y / 16 * (width / 16 + 1) + x / 16) + i % 3] + random.Next(256)) / 16);
        }
        return new RgbImage(pixels, width, height);
    }
}

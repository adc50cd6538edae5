using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class TrainingPreprocessingTests
{
    private static readonly EvaluationPreprocessing _small = new() { ImageHeight = 24, ImageWidth = 24 };

    [TestMethod]
    public void TheSameArgumentsGiveTheSameInputOnEveryThread()
    {
        var preprocessing = new TrainingPreprocessing(_small);
        var image = TestImages.Make(Pattern.Noise, 60, 50);
        var expected = Apply(preprocessing, image, 1, 2, 3);
        Parallel.For(0, 16, _ => Assert.IsTrue(expected.AsSpan().SequenceEqual(Apply(preprocessing, image, 1, 2, 3))));
        foreach (var (seed, epoch, sample) in new[] { (2UL, 2, 3L), (1UL, 3, 3L), (1UL, 2, 4L) })
            Assert.IsFalse(expected.AsSpan().SequenceEqual(Apply(preprocessing, image, seed, epoch, sample)));
    }

    [TestMethod]
    public void AnInputIsItsBoxResizedAndMaybeMirrored()
    {
        var image = TestImages.Make(Pattern.Noise, 60, 50);
        var box = new TrainingPreprocessing(_small).RandomBox(60, 50, CounterRandom.For(1, 0, 9, RandomPurpose.Crop));
        var cropped = new byte[3 * box.Width * box.Height];
        for (var y = 0; y < box.Height; y++)
            image.Pixels.Span.Slice(3 * ((box.Top + y) * 60 + box.Left), 3 * box.Width).CopyTo(cropped.AsSpan(3 * box.Width * y));
        var expected = PillowResize.Resize(new RgbImage(cropped, box.Width, box.Height), 24, 24).Pixels.ToArray();

        CollectionAssert.AreEqual(expected, Augment(new TrainingPreprocessing(_small) { FlipProbability = 0 }, image, 9));
        CollectionAssert.AreEqual(Mirrored(expected, 24), Augment(new TrainingPreprocessing(_small) { FlipProbability = 1 }, image, 9));
    }

    [TestMethod]
    public void WithoutRandomnessItIsTheEvaluation()
    {
        var preprocessing = new TrainingPreprocessing(_small) { Crop = TrainingCrop.Centre, FlipProbability = 0 };
        var image = TestImages.Make(Pattern.Noise, 60, 50);
        var expected = new float[_small.OutputLength];
        _small.Apply(image, expected);
        CollectionAssert.AreEqual(expected, Apply(preprocessing, image, 1, 2, 3));
    }

    [TestMethod]
    public void HalfOfTheImagesAreMirrored()
    {
        var preprocessing = new TrainingPreprocessing(new EvaluationPreprocessing { ImageHeight = 1, ImageWidth = 2, CropRatio = 1 }) { Crop = TrainingCrop.Centre };
        var image = new RgbImage(new byte[] { 0, 0, 0, 1, 1, 1 }, 2, 1);
        var rgb = new byte[6];
        var flips = 0;
        for (var sample = 0; sample < 4000; sample++)
        {
            preprocessing.Augment(image, rgb, 5, 0, sample);
            flips += rgb[0];
        }

        Assert.AreEqual(2000, flips, 5 * Math.Sqrt(1000));
    }

    /// <summary>In a large image nearly every first try fits, so area and aspect follow the distributions that they are drawn from.</summary>
    [TestMethod]
    public void AreaAndAspectOfBoxesAreDistributedAsStated()
    {
        var preprocessing = new TrainingPreprocessing(_small) { Area = (0.08, 0.5) };
        const int N = 4000;
        double area = 0, logAspect = 0, squares = 0, centreX = 0, least = 1, most = 0;
        for (var sample = 0; sample < N; sample++)
        {
            var box = preprocessing.RandomBox(10000, 10000, CounterRandom.For(3, 0, sample, RandomPurpose.Crop));
            Assert.IsTrue(box.Left >= 0 && box.Top >= 0 && box.Left + box.Width <= 10000 && box.Top + box.Height <= 10000);
            var part = (double)box.Width * box.Height / 1e8;
            var log = Math.Log((double)box.Width / box.Height);
            area += part;
            logAspect += log;
            squares += log * log;
            centreX += (box.Left + box.Width / 2.0) / 10000;
            least = Math.Min(least, part);
            most = Math.Max(most, part);
            Assert.IsTrue(Math.Abs(log) <= Math.Log(4.0 / 3) + 1e-3);
        }

        var limit = Math.Log(4.0 / 3);
        Assert.AreEqual(0.29, area / N, 5 * 0.42 / Math.Sqrt(12 * N));
        Assert.AreEqual(0, logAspect / N, 5 * limit / Math.Sqrt(3 * N));
        Assert.AreEqual(limit * limit / 3, squares / N, 5 * limit * limit * Math.Sqrt(4 / 45.0 / N));
        Assert.AreEqual(0.5, centreX / N, 5 * 0.29 / Math.Sqrt(N));
        Assert.IsTrue(least is > 0.0799 and < 0.081 && most is > 0.499 and < 0.5001, $"{least} {most}");
    }

    [TestMethod]
    public void WhereNothingFitsTheCentreIsTaken()
    {
        // A strip of 1:100 never holds a box of half its area with an aspect near 1.
        var preprocessing = new TrainingPreprocessing(_small) { Area = (0.5, 1) };
        Assert.AreEqual(new PixelBox(494, 0, 13, 10), preprocessing.RandomBox(1001, 10, CounterRandom.For(1, 0, 0, RandomPurpose.Crop)));
        Assert.AreEqual(new PixelBox(0, 493, 10, 13), preprocessing.RandomBox(10, 1000, CounterRandom.For(1, 0, 0, RandomPurpose.Crop)));
        // The whole image, when that is asked for and its aspect is allowed.
        var whole = new TrainingPreprocessing(_small) { Area = (1, 1), MaxAspect = 1 };
        Assert.AreEqual(new PixelBox(0, 0, 30, 30), whole.RandomBox(30, 30, CounterRandom.For(1, 0, 0, RandomPurpose.Crop)));
    }

    [TestMethod]
    public void RectangularInputKeepsProportionsOnAverage()
    {
        var preprocessing = new TrainingPreprocessing(new EvaluationPreprocessing { ImageHeight = 32, ImageWidth = 64 }) { Area = (0.1, 0.2) };
        for (var sample = 0; sample < 200; sample++)
        {
            var box = preprocessing.RandomBox(3000, 3000, CounterRandom.For(1, 0, sample, RandomPurpose.Crop));
            Assert.IsTrue(Math.Abs(Math.Log((double)box.Width / box.Height / 2)) < Math.Log(4.0 / 3) + 2e-3);
        }
    }

    [TestMethod]
    public void TinyAndExtremeImagesAreTaken()
    {
        var preprocessing = new TrainingPreprocessing(_small);
        foreach (var (width, height) in new[] { (1, 1), (2, 1), (1, 3), (2000, 3), (3, 2000) })
        {
            for (var sample = 0; sample < 20; sample++)
                Assert.IsTrue(Apply(preprocessing, TestImages.Make(Pattern.Noise, width, height), 1, 0, sample).All(float.IsFinite));
        }
    }

    [TestMethod]
    public void OptionsAreChecked()
    {
        Assert.ThrowsExactly<ArgumentNullException>(() => new TrainingPreprocessing(null!));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TrainingPreprocessing(_small) { Area = (0, 1) });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TrainingPreprocessing(_small) { Area = (0.5, 0.4) });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TrainingPreprocessing(_small) { MaxAspect = 0.9 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TrainingPreprocessing(_small) { FlipProbability = double.NaN });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TrainingPreprocessing(_small) { Crop = (TrainingCrop)7 });
        Assert.ThrowsExactly<ArgumentException>(() => Augment(new TrainingPreprocessing(_small), default, 0));
        Assert.ThrowsExactly<ArgumentException>(() => new TrainingPreprocessing(_small).Apply(TestImages.Make(Pattern.Ramp, 5, 5), new float[5], 0, 0, 0));
    }

    private static float[] Apply(TrainingPreprocessing preprocessing, RgbImage image, ulong seed, int epoch, long sample)
    {
        var output = new float[preprocessing.Evaluation.OutputLength];
        preprocessing.Apply(image, output, seed, epoch, sample);
        return output;
    }

    private static byte[] Augment(TrainingPreprocessing preprocessing, RgbImage image, long sample)
    {
        var rgb = new byte[preprocessing.Evaluation.OutputLength];
        preprocessing.Augment(image, rgb, 1, 0, sample);
        return rgb;
    }

    private static byte[] Mirrored(byte[] rgb, int width) => [.. rgb.Chunk(3 * width).SelectMany(row => row.Chunk(3).Reverse().SelectMany(pixel => pixel))];
}

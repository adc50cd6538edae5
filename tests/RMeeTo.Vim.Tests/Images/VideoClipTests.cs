using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images;

/// <summary>Clips: which frames, which part of them, and where they lie in the network input and in a store.</summary>
[TestClass]
public sealed class VideoClipTests
{
    /// <summary>By hand from spec 3.2: segments of (N − 1) / T frames, halves to the even number, offsets int(segment / (views + 1) · (view + 1)).</summary>
    [TestMethod]
    [DataRow(300, 8, 0, 1, new[] { 18, 55, 93, 130, 168, 205, 242, 280 })]
    [DataRow(300, 8, 0, 4, new[] { 7, 44, 82, 119, 157, 194, 231, 269 })]
    [DataRow(300, 8, 3, 4, new[] { 29, 66, 104, 141, 179, 216, 253, 291 })]
    [DataRow(8, 8, 0, 1, new[] { 0, 1, 2, 3, 4, 4, 5, 6 })]
    [DataRow(5, 8, 3, 4, new[] { 0, 0, 1, 2, 2, 2, 3, 4 })]
    [DataRow(1, 4, 0, 1, new[] { 0, 0, 0, 0 })]
    [DataRow(21, 4, 1, 3, new[] { 2, 7, 12, 17 })]
    public void EvenFramesFollowTheFormula(int available, int frames, int view, int views, int[] expected)
    {
        var chosen = new int[frames];
        FrameSampling.Even(available, view, views, chosen);
        CollectionAssert.AreEqual(expected, chosen);
    }

    [TestMethod]
    public void RandomFramesStayInTheirSegmentsAndReachAllOfThem()
    {
        var seen = new HashSet<int>();
        for (int sample = 0; sample < 400; sample++)
        {
            var chosen = new int[5];
            FrameSampling.Random(31, CounterRandom.For(3, 0, sample, RandomPurpose.Frames), chosen);
            for (int i = 0; i < 5; i++) Assert.IsTrue(chosen[i] >= 6 * i && chosen[i] <= 6 * i + 6, $"{i}: {chosen[i]}");
            seen.UnionWith(chosen);
        }
        Assert.HasCount(31, seen);
        var few = new int[6];
        FrameSampling.Random(2, CounterRandom.For(3, 0, 1, RandomPurpose.Frames), few);
        Assert.IsTrue(few.All(f => f is 0 or 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => FrameSampling.Random(0, CounterRandom.For(3, 0, 1, RandomPurpose.Frames), few));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => FrameSampling.Even(3, 2, 2, few));
    }

    /// <summary>[3, T, H, W]: each frame as the image by itself.</summary>
    [TestMethod]
    public void AClipIsItsFramesPreparedOneByOne()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 6, ImageWidth = 8, CropRatio = 1 };
        var clip = Clip(9, 20, 14);
        const int frames = 3, plane = 48;
        var output = new float[3 * frames * plane];
        preprocessing.Apply(clip, frames, ClipViews.Single, 0, output);
        var chosen = new int[frames];
        FrameSampling.Even(9, 0, 1, chosen);
        CollectionAssert.AreEqual(new[] { 1, 4, 6 }, chosen);
        for (int t = 0; t < frames; t++)
        {
            var alone = new float[3 * plane];
            preprocessing.Apply(clip[chosen[t]], alone);
            for (int channel = 0; channel < 3; channel++)
                CollectionAssert.AreEqual(alone[(channel * plane)..((channel + 1) * plane)], output.AsSpan((channel * frames + t) * plane, plane).ToArray());
        }
        Assert.ThrowsExactly<ArgumentException>(() => preprocessing.Apply(clip, frames + 1, ClipViews.Single, 0, output));
    }

    [TestMethod]
    public void CropsGoFromOneEndOfTheLongerEdgeToTheOther()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 4, ImageWidth = 4, CropRatio = 1 };
        var views = new ClipViews { Crops = 3 };
        foreach (var (width, height) in new[] { (11, 4), (4, 11) })
        {
            // Already as small as the input: nothing is resized, so a crop is a window. Pixels tell where they are.
            byte[] pixels = new byte[3 * width * height];
            for (int i = 0; i < width * height; i++) pixels[3 * i] = (byte)Math.Max(i % width * (width > height ? 1 : 0), i / width * (height > width ? 1 : 0));
            var frame = new RgbImage(pixels, width, height);
            int[] starts = [.. Enumerable.Range(0, 3).Select(crop =>
            {
                var rgb = new byte[48];
                preprocessing.Crop(frame, rgb, crop, 3);
                return (int)rgb[0];
            })];
            CollectionAssert.AreEqual(new[] { 0, 3, 7 }, starts); // int(crop · 3.5)
        }
        Assert.AreEqual(3, views.Count);
        Assert.AreEqual(12, ClipViews.Published.Count);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ClipViews { Times = 0 });
    }

    /// <summary>7 · (61 / 7) is less than 61 in floating point.</summary>
    [TestMethod]
    public void TheLastOfManyCropsIsAtTheEnd()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 4, ImageWidth = 4, CropRatio = 1 };
        byte[] pixels = new byte[3 * 65 * 4], rgb = new byte[48];
        for (int i = 0; i < 65 * 4; i++) pixels[3 * i] = (byte)(i % 65);
        preprocessing.Crop(new RgbImage(pixels, 65, 4), rgb, crop: 7, crops: 8);
        Assert.AreEqual(61, rgb[0]);
    }

    [TestMethod]
    public void TrainingTakesOneCropAndOneFlipForAllFrames()
    {
        var evaluation = new EvaluationPreprocessing { ImageHeight = 8, ImageWidth = 8 };
        var training = new TrainingPreprocessing(evaluation);
        var picture = Noise(30, 20, 5);
        var still = new VideoClip([picture, picture, picture, picture]);
        for (int sample = 0; sample < 5; sample++)
        {
            float[] output = new float[3 * 2 * 64], alone = new float[3 * 64];
            training.Apply(still, 2, output, 7, 1, sample);
            training.Apply(picture, alone, 7, 1, sample);
            for (int channel = 0; channel < 3; channel++)
                for (int t = 0; t < 2; t++)
                    CollectionAssert.AreEqual(alone[(channel * 64)..((channel + 1) * 64)], output[((channel * 2 + t) * 64)..((channel * 2 + t + 1) * 64)]);
        }
    }

    /// <summary>Spec 3.2, num_sample: the video is read once, and what was read is augmented twice.</summary>
    [TestMethod]
    public void CopiesOfAClipAreTheSameFramesAugmentedInDifferentWays()
    {
        var training = new TrainingPreprocessing(new EvaluationPreprocessing { ImageHeight = 8, ImageWidth = 8 });
        var still = training with { Crop = TrainingCrop.Centre, FlipProbability = 0 };
        var clip = Clip(40, 20, 14);
        for (int index = 0; index < 10; index++)
        {
            float[][] copies = [.. Enumerable.Range(0, 3).Select(copy => Prepared(still, new ShownImage(0, copy).Sample(index), 1))];
            CollectionAssert.AreEqual(copies[0], copies[1]);
            CollectionAssert.AreEqual(copies[0], copies[2]);
            CollectionAssert.AreNotEqual(copies[0], Prepared(still, index, 2), "another epoch");
            CollectionAssert.AreNotEqual(copies[0], Prepared(still, index + 1, 1), "another clip");
            CollectionAssert.AreNotEqual(Prepared(training, index, 1), Prepared(training, new ShownImage(0, 1).Sample(index), 1));
        }

        float[] Prepared(TrainingPreprocessing preprocessing, long sample, int epoch)
        {
            var output = new float[3 * 4 * 64];
            preprocessing.Apply(clip, 4, output, 7, epoch, sample);
            return output;
        }
    }

    [TestMethod]
    [DataRow(1L << 30)]
    [DataRow(0L)]
    public void AStoreKeepsTheFramesOfASample(long memory)
    {
        using var store = new ImageStore(new ImageStoreOptions { MemoryBudget = memory, ShorterEdge = 10 });
        var (clip, picture) = (Clip(5, 20, 14), Noise(9, 9, 1));
        store.Add(picture, 1, "picture");
        Assert.AreEqual(1, store.AddClip(clip, 2, "clip"));
        store.Add(picture, 0, "after");
        Assert.AreEqual((3, 1, 5, 1), (store.Count, store.Frames(0), store.Frames(1), store.Frames(2)));
        var buffer = new ImageReadBuffer();
        for (int frame = 4; frame >= 0; frame--)
        {
            var read = store.ReadFrame(1, frame, buffer);
            Assert.AreEqual((14, 10), (read.Width, read.Height));
            Assert.IsTrue(store.Reduce(clip[frame]).Pixels.Span.SequenceEqual(read.Pixels.Span), $"frame {frame}");
        }
        Assert.IsTrue(picture.Pixels.Span.SequenceEqual(store.Read(2, buffer).Pixels.Span));
        CollectionAssert.AreEqual(new[] { 1, 2, 0 }, store.Labels());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => store.ReadFrame(1, 5, buffer));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => store.ReadFrame(0, 1, buffer));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => store.AddClip(new VideoClip([picture, clip[0]]), 0, "mixed")).Message,
            "Frame 1 of clip 'mixed' is 20×14 pixels and frame 0 9×9");
        Assert.ThrowsExactly<ArgumentException>(() => new VideoClip([]));
        Assert.AreEqual(3, store.Count);
    }

    internal static VideoClip Clip(int frames, int width, int height, int seed = 0) =>
        new([.. Enumerable.Range(0, frames).Select(i => Noise(width, height, seed + i))]);

    private static RgbImage Noise(int width, int height, int seed)
    {
        var pixels = new byte[3 * width * height];
        new Random(seed).NextBytes(pixels);
        return new RgbImage(pixels, width, height);
    }
}

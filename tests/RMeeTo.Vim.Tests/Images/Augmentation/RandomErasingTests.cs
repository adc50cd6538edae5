using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class RandomErasingTests
{
    /// <summary>Limits of area and aspect of which every rectangle fits at once, so that both are distributed as they are drawn.</summary>
    [TestMethod]
    public void AreaAspectAndPlaceAreDistributedAsStated()
    {
        const int N = 8000, Edge = 20000;
        var erasing = new RandomErasing { Area = (0.02, 0.25) };
        int count = 0;
        double area = 0, logAspect = 0, squares = 0, top = 0, right = 0, limit = Math.Log(1 / 0.3);
        for (var sample = 0; sample < N; sample++)
        {
            if (Draw(erasing, sample, Edge, Edge) is not { } box) continue;
            Assert.IsTrue(box.Left >= 0 && box.Top >= 0 && box.Left + box.Width <= Edge && box.Top + box.Height <= Edge);
            count++;
            var part = (double)box.Width * box.Height / ((double)Edge * Edge);
            Assert.IsTrue(part is > 0.0199 and < 0.2501);
            area += part;
            var log = Math.Log((double)box.Height / box.Width);
            Assert.IsTrue(Math.Abs(log) < limit + 1e-3);
            logAspect += log;
            squares += log * log;
            top += box.Top / (double)(Edge - box.Height);
            right += (box.Left + box.Width) / 2.0 / (Edge - box.Width / 2.0);
        }

        Assert.AreEqual(0.25 * N, count, 5 * Math.Sqrt(N * 0.25 * 0.75));
        Assert.AreEqual(0.135, area / count, 5 * 0.23 / Math.Sqrt(12 * count));
        Assert.AreEqual(0, logAspect / count, 5 * limit / Math.Sqrt(3 * count));
        Assert.AreEqual(limit * limit / 3, squares / count, 5 * limit * limit * Math.Sqrt(4 / 45.0 / count));
        Assert.AreEqual(0.5, top / count, 5 / Math.Sqrt(12 * count));
        Assert.IsTrue(right / count is > 0.4 and < 0.7);
    }

    /// <summary>Rectangles as high or as wide as the image are drawn again; ten times at most.</summary>
    [TestMethod]
    public void RectanglesAreSmallerThanTheImageInBothDirections()
    {
        var paper = new RandomErasing { Probability = 1 };
        for (var sample = 0; sample < 2000; sample++)
        {
            var box = Draw(paper, sample, 24, 31);
            Assert.IsTrue(box is { Height: >= 1 and < 24, Width: >= 1 and < 31 });
        }

        Assert.IsNull(Draw(new RandomErasing { Probability = 1, Area = (1, 1) }, 0, 50, 50), "never fits");
        Assert.IsNull(Draw(paper, 0, 1, 1), "never fits");
    }

    [TestMethod]
    public void TheRectangleBecomesStandardNormalNoiseAndTheRestStays()
    {
        const int Height = 60, Width = 50;
        var erasing = new RandomErasing { Probability = 1 };
        int count = 0;
        double sum = 0, squares = 0, fourth = 0, neighbours = 0;
        for (var sample = 0; sample < 20; sample++)
        {
            var box = Draw(erasing, sample, Height, Width)!.Value;
            var image = new float[3 * Height * Width];
            Array.Fill(image, 77);
            erasing.Apply(image, 1, Height, Width, Random(sample));
            for (var i = 0; i < image.Length; i++)
            {
                int x = i % Width, y = i / Width % Height;
                var inside = x >= box.Left && x < box.Left + box.Width && y >= box.Top && y < box.Top + box.Height;
                Assert.AreEqual(inside, image[i] != 77);
                if (!inside) continue;
                count++;
                sum += image[i];
                squares += image[i] * image[i];
                fourth += Math.Pow(image[i], 4);
                if (x > box.Left) neighbours += image[i] * image[i - 1];
            }
        }

        Assert.AreEqual(0, sum / count, 5 / Math.Sqrt(count));
        Assert.AreEqual(1, squares / count, 5 * Math.Sqrt(2.0 / count));
        Assert.AreEqual(3, fourth / count, 5 * Math.Sqrt(96.0 / count));
        Assert.AreEqual(0, neighbours / count, 5 / Math.Sqrt(count));
    }

    [TestMethod]
    public void AClipHasOneRectangleWithNoiseOfItsOwnInEveryFrame()
    {
        const int Frames = 4, Height = 12, Width = 10;
        var erasing = new RandomErasing { Probability = 1 };
        var clip = new float[3 * Frames * Height * Width];
        erasing.Apply(clip, Frames, Height, Width, Random(5));
        var planes = clip.Chunk(Height * Width).ToArray();
        foreach (var plane in planes)
        {
            for (var i = 0; i < plane.Length; i++) Assert.AreEqual(planes[0][i] != 0, plane[i] != 0);
        }

        Assert.AreEqual(3 * Frames, planes.Select(plane => plane.Sum()).Distinct().Count());
        // The first frame is erased as an image would be.
        var image = new float[3 * Height * Width];
        erasing.Apply(image, 1, Height, Width, Random(5));
        for (var channel = 0; channel < 3; channel++)
            CollectionAssert.AreEqual(image[(channel * Height * Width)..((channel + 1) * Height * Width)], planes[channel * Frames]);
    }

    [TestMethod]
    public void OptionsAreChecked()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandomErasing { Probability = 1.1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandomErasing { Area = (0, 0.5) });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandomErasing { MaxAspect = 0.3 });
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new RandomErasing().Apply(new float[10], 1, 2, 2, Random(0))).Message, "12");
    }

    private static PixelBox? Draw(RandomErasing erasing, long sample, int height, int width)
    {
        var random = Random(sample);
        return erasing.Draw(ref random, height, width);
    }

    private static CounterRandom Random(long sample) => CounterRandom.For(6, 0, sample, RandomPurpose.Erase);
}

using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class EvaluationPreprocessingTests
{
    [TestMethod]
    public void CropsEqualPillowToTheByte()
    {
        foreach (var test in PillowExpectations.Evaluations)
        {
            var preprocessing = new EvaluationPreprocessing { ImageHeight = test.InputHeight, ImageWidth = test.InputWidth };
            var crop = new byte[preprocessing.OutputLength];
            preprocessing.Crop(TestImages.Make(test.Pattern, test.Width, test.Height), crop);
            Assert.AreEqual(test.Expected, TestImages.Form(crop), test.ToString());
        }
    }

    [TestMethod]
    public void ShorterEdgeBecomes256AndTheLongerIsRoundedDown()
    {
        var preprocessing = new EvaluationPreprocessing();
        Assert.AreEqual((341L, 256L), preprocessing.ResizedSize(500, 375));
        Assert.AreEqual((256L, 341L), preprocessing.ResizedSize(375, 500));
        Assert.AreEqual((256L, 256L), preprocessing.ResizedSize(1, 1));
        Assert.AreEqual((170666L, 256L), preprocessing.ResizedSize(2000, 3));
        Assert.AreEqual((256L << 20, 256L), preprocessing.ResizedSize(1 << 20, 1));
    }

    [TestMethod]
    public void RectangularInputIsCoveredExactlyOnOneEdge()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 112, ImageWidth = 224 };
        Assert.AreEqual((256L, 256L), preprocessing.ResizedSize(500, 500));
        Assert.AreEqual((384L, 128L), preprocessing.ResizedSize(300, 100));
        Assert.AreEqual((256L, 128L), preprocessing.ResizedSize(200, 100));
        Assert.AreEqual(256, preprocessing.ShorterEdge);
    }

    [TestMethod]
    public void HalvesRoundToTheEvenOffset()
    {
        foreach (var (edge, offset) in new[] { (224, 0), (225, 0), (226, 1), (227, 2), (228, 2), (229, 2), (230, 3), (231, 4), (256, 16), (341, 58) })
            Assert.AreEqual(offset, EvaluationPreprocessing.CropOffset(edge, 224), $"edge {edge}");
    }

    [TestMethod]
    public void AnImageOfTheRightSizeWithRatioOneStaysAsItIs()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 31, ImageWidth = 45, CropRatio = 1 };
        var image = TestImages.Make(Pattern.Noise, 45, 31);
        var crop = new byte[preprocessing.OutputLength];
        preprocessing.Crop(image, crop);
        Assert.IsTrue(image.Pixels.Span.SequenceEqual(crop));
    }

    [TestMethod]
    public void OutputIsPlanarAndNormalised()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 2, ImageWidth = 2, CropRatio = 1 };
        var output = new float[12];
        preprocessing.Apply(new RgbImage(new byte[] { 0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 254, 253 }, 2, 2), output);
        float[] mean = [0.485f, 0.456f, 0.406f], std = [0.229f, 0.224f, 0.225f];
        byte[][] planes = [[0, 3, 6, 255], [1, 4, 7, 254], [2, 5, 8, 253]];
        for (var c = 0; c < 3; c++)
        {
            for (var i = 0; i < 4; i++)
                Assert.AreEqual((planes[c][i] / 255f - mean[c]) / std[c], output[4 * c + i]);
        }
    }

    [TestMethod]
    public void ExtremeImagesAreTaken()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 64, ImageWidth = 64 };
        var output = new float[preprocessing.OutputLength];
        foreach (var (width, height) in new[] { (1, 1), (2, 1), (2000, 3), (3, 2000), (1 << 18, 1), (1, 1 << 18) })
        {
            preprocessing.Apply(TestImages.Make(Pattern.Ramp, width, height), output);
            Assert.IsTrue(output.All(float.IsFinite));
        }
    }

    [TestMethod]
    public void GreyStaysGrey()
    {
        var normalization = new PixelNormalization(new ChannelValues(0, 0, 0), new ChannelValues(1, 1, 1));
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 20, ImageWidth = 20, Normalization = normalization };
        var output = new float[1200];
        preprocessing.Apply(RgbImage.FromGrey(TestImages.Make(Pattern.Noise, 10, 9).Pixels.Span, 30, 9), output);
        Assert.IsTrue(output.AsSpan(0, 400).SequenceEqual(output.AsSpan(400, 400)));
        Assert.IsTrue(output.AsSpan(0, 400).SequenceEqual(output.AsSpan(800, 400)));
    }

    [TestMethod]
    public void NothingIsAllocatedPerImage()
    {
        var preprocessing = new EvaluationPreprocessing();
        var image = TestImages.Make(Pattern.Noise, 300, 260);
        var output = new float[preprocessing.OutputLength];
        // The least of several, because tests on other threads may have emptied the shared pool.
        var least = long.MaxValue;
        for (var i = 0; i < 30; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            preprocessing.Apply(image, output);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.AreEqual(0, least);
    }

    [TestMethod]
    public void OptionsAreCheckedAndCompared()
    {
        Assert.AreEqual(new EvaluationPreprocessing(), new EvaluationPreprocessing { ImageHeight = 224 });
        Assert.AreNotEqual(new EvaluationPreprocessing(), new EvaluationPreprocessing { Normalization = new PixelNormalization(default, new ChannelValues(1, 1, 1)) });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EvaluationPreprocessing { ImageHeight = 0 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EvaluationPreprocessing { ImageWidth = 8193 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EvaluationPreprocessing { CropRatio = 1.01 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new EvaluationPreprocessing { CropRatio = double.NaN });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PixelNormalization(default, new ChannelValues(1, 0, 1)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PixelNormalization(new ChannelValues(0, float.NaN, 0), new ChannelValues(1, 1, 1)));
        Assert.ThrowsExactly<ArgumentException>(() => new EvaluationPreprocessing().Apply(TestImages.Make(Pattern.Ramp, 5, 5), new float[5]));
        Assert.ThrowsExactly<ArgumentException>(() => new EvaluationPreprocessing().Apply(default, new float[3 * 224 * 224]));
    }
}

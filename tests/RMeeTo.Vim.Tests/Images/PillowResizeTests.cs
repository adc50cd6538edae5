using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class PillowResizeTests
{
    [TestMethod]
    public void EqualsPillowToTheByte()
    {
        foreach (var test in PillowExpectations.Resizes)
        {
            var image = TestImages.Make(test.Pattern, test.Width, test.Height);
            var result = test.CropFirst ? ResizeCropped(image, test) : PillowResize.Resize(image, test.ResultWidth, test.ResultHeight, test.Box).Pixels.ToArray();
            Assert.AreEqual(test.Expected, TestImages.Form(result), test.ToString());
        }
    }

    [TestMethod]
    public void AWindowIsThatPartOfTheWhole()
    {
        var image = TestImages.Make(Pattern.Noise, 61, 47);
        foreach (var (width, height) in new[] { (90, 70), (40, 30), (61, 30), (40, 47), (61, 47) })
        {
            var whole = PillowResize.Resize(image, width, height).Pixels.Span;
            var window = new byte[3 * 17 * 13];
            PillowResize.Resize(image, new PixelBox(0, 0, 61, 47), new ResizeAxis(61, 0, 61, width, 9, 17), new ResizeAxis(47, 0, 47, height, 11, 13), window);
            for (var y = 0; y < 13; y++)
                Assert.IsTrue(whole.Slice(3 * ((11 + y) * width + 9), 3 * 17).SequenceEqual(window.AsSpan(3 * 17 * y, 3 * 17)), $"{width}×{height}, row {y}");
        }
    }

    [TestMethod]
    public void ResizedPixelsAreAViewOfNobodyElse()
    {
        var image = TestImages.Make(Pattern.Noise, 5, 4);
        var same = PillowResize.Resize(image, 5, 4);
        Assert.IsTrue(image.Pixels.Span.SequenceEqual(same.Pixels.Span));
        Assert.IsFalse(image.Pixels.Span.Overlaps(same.Pixels.Span));
    }

    [TestMethod]
    public void NothingBeyondTheImageIsTouched()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("The guard page is made with mprotect, which Windows does not have.");
        foreach (var (width, height, toWidth, toHeight) in new[] { (1, 1, 3, 2), (5, 4, 4, 3), (5, 4, 7, 4), (5, 4, 5, 3), (40, 9, 23, 31), (40, 9, 40, 9), (16, 3, 16, 5) })
        {
            var image = TestImages.Make(Pattern.Noise, width, height);
            using var source = new GuardedMemory(image.Pixels.Length);
            using var destination = new GuardedMemory(3 * toWidth * toHeight);
            image.Pixels.Span.CopyTo(source.GetSpan());
            PillowResize.Resize(
                new RgbImage(source.Memory, width, height),
                new PixelBox(0, 0, width, height),
                ResizeAxis.Whole(width, toWidth),
                ResizeAxis.Whole(height, toHeight),
                destination.GetSpan());
            Assert.IsTrue(PillowResize.Resize(image, toWidth, toHeight).Pixels.Span.SequenceEqual(destination.GetSpan()), $"{width}×{height} to {toWidth}×{toHeight}");
        }
    }

    [TestMethod]
    public void WrongSizesAndBoxesAreRefused()
    {
        var image = TestImages.Make(Pattern.Noise, 5, 4);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => PillowResize.Resize(image, 0, 4));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => PillowResize.Resize(image, 4, RgbImage.MaxEdge + 1));
        Assert.ThrowsExactly<ArgumentException>(() => PillowResize.Resize(image, RgbImage.MaxEdge, RgbImage.MaxEdge));
        Assert.ThrowsExactly<ArgumentException>(() => PillowResize.Resize(default, 2, 2));
        foreach (var box in new ResizeBox[] { new(-1, 0, 5, 4), new(0, 0, 5.5f, 4), new(0, 0, 5, 4.5f), new(2, 0, 2, 4), new(0, 3, 5, 2), new(float.NaN, 0, 5, 4) })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => PillowResize.Resize(image, 2, 2, box)).Message, "5×4");
    }

    private static byte[] ResizeCropped(RgbImage image, ResizeCase test)
    {
        var box = new PixelBox((int)test.Box.Left, (int)test.Box.Top, (int)(test.Box.Right - test.Box.Left), (int)(test.Box.Bottom - test.Box.Top));
        var result = new byte[3 * test.ResultWidth * test.ResultHeight];
        PillowResize.Resize(image, box, ResizeAxis.Whole(box.Width, test.ResultWidth), ResizeAxis.Whole(box.Height, test.ResultHeight), result);
        return result;
    }
}

using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class RgbImageTests
{
    private static readonly byte[] _expected = [1, 2, 3, 4, 5, 6];

    [TestMethod]
    public void AlphaIsDroppedAndColoursStay()
    {
        CollectionAssert.AreEqual(_expected, RgbImage.FromBgra([3, 2, 1, 0, 6, 5, 4, 128], 2, 1).Pixels.ToArray());
        CollectionAssert.AreEqual(_expected, RgbImage.FromRgba([1, 2, 3, 255, 4, 5, 6, 0], 1, 2).Pixels.ToArray());
    }

    [TestMethod]
    public void GreyBecomesThreeEqualColours() =>
        CollectionAssert.AreEqual(new byte[] { 7, 7, 7, 200, 200, 200 }, RgbImage.FromGrey([7, 200], 2, 1).Pixels.ToArray());

    [TestMethod]
    public void TheConstructorDoesNotCopy()
    {
        var pixels = new byte[6];
        var image = new RgbImage(pixels, 1, 2);
        pixels[5] = 9;
        Assert.AreEqual(9, image.Pixels.Span[5]);
        Assert.IsFalse(image.IsEmpty);
        Assert.IsTrue(default(RgbImage).IsEmpty);
    }

    [TestMethod]
    public void WrongSizesAreNamed()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new RgbImage(new byte[5], 2, 1)).Message, "2×1 RGB pixels are 6 bytes, but 5");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => RgbImage.FromBgra(new byte[6], 2, 1)).Message, "BGRA pixels are 8 bytes, but 6");
        Assert.ThrowsExactly<ArgumentException>(() => RgbImage.FromRgba(new byte[6], 2, 1));
        Assert.ThrowsExactly<ArgumentException>(() => RgbImage.FromGrey(new byte[6], 2, 1));
        Assert.AreEqual("height", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RgbImage(new byte[5], 2, 0)).ParamName);
        Assert.AreEqual("width", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => RgbImage.FromGrey(new byte[5], -1, 5)).ParamName);
        Assert.ThrowsExactly<ArgumentException>(() => RgbImage.FromGrey(new byte[5], RgbImage.MaxEdge, RgbImage.MaxEdge));
    }
}

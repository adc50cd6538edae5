using System.Security.Cryptography;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Tests.Network;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class ImageOperationTests
{
    private static readonly RgbColor _fill = new(124, 116, 104);

    [TestMethod]
    public void EqualsPillowToTheByte()
    {
        var missing = Enum.GetValues<ImageOperationKind>().ToHashSet();
        var different = new List<string>();
        foreach (var (kind, argument, expected) in PillowOperations.Operations)
        {
            missing.Remove(kind);
            for (var i = 0; i < expected.Length; i++)
            {
                var (pattern, width, height) = PillowOperations.Images[i];
                var rgb = TestImages.Make(pattern, width, height).Pixels.ToArray();
                new ImageOperation(kind, argument).Apply(rgb, width, height, _fill);
                if (Form(rgb) != expected[i]) different.Add($"{kind} {argument} of {pattern} {width}×{height}");
            }
        }

        Assert.AreEqual(0, different.Count, string.Join("; ", different));
        Assert.AreEqual(0, missing.Count, "Nothing is recorded of " + string.Join(", ", missing));
    }

    /// <summary>Spec 3.1, item 3.</summary>
    [TestMethod]
    public void ArgumentsOfMagnitudesAreThoseOfThePaper()
    {
        foreach (var kind in Enum.GetValues<ImageOperationKind>())
        {
            for (var m = 0.0; m <= 10; m += 0.125)
            {
                double signed = kind switch
                {
                    ImageOperationKind.Rotate => 3 * m,
                    ImageOperationKind.ShearX or ImageOperationKind.ShearY => 0.03 * m,
                    ImageOperationKind.TranslateX or ImageOperationKind.TranslateY => 0.045 * m,
                    ImageOperationKind.Color or ImageOperationKind.Contrast or ImageOperationKind.Brightness or ImageOperationKind.Sharpness => 0.09 * m,
                    _ => 0,
                };
                double constant = kind switch
                {
                    ImageOperationKind.Posterize => 4 - Math.Floor(0.4 * m),
                    ImageOperationKind.Solarize => 256 - Math.Floor(25.6 * m),
                    ImageOperationKind.SolarizeAdd => Math.Floor(11 * m),
                    >= ImageOperationKind.Color and <= ImageOperationKind.Sharpness => 1,
                    _ => 0,
                };
                Assert.AreEqual(constant + signed, ImageOperation.AtMagnitude(kind, m, false).Argument, 1e-12, $"{kind} {m}");
                Assert.AreEqual(constant - signed, ImageOperation.AtMagnitude(kind, m, true).Argument, 1e-12, $"{kind} {m}");
                Assert.AreEqual(signed != 0, ImageOperation.HasSign(kind) && m > 0);
            }
        }
    }

    [TestMethod]
    public void NothingBeyondTheImageIsWritten()
    {
        foreach (var (kind, argument, _) in PillowOperations.Operations)
        {
            foreach (var (width, height) in new[] { (1, 1), (4, 3), (17, 5), (3, 40) })
            {
                var image = TestImages.Make(Pattern.Noise, width, height).Pixels.ToArray();
                byte[] guarded = [.. new byte[64], .. image, .. new byte[64]];
                new ImageOperation(kind, argument).Apply(guarded.AsSpan(64, image.Length), width, height, _fill);
                new ImageOperation(kind, argument).Apply(image, width, height, _fill);
                CollectionAssert.AreEqual((byte[])[.. new byte[64], .. image, .. new byte[64]], guarded, $"{kind} {argument}");
            }
        }
    }

    [TestMethod]
    public void NothingIsAllocated()
    {
        var rgb = TestImages.Make(Pattern.Noise, 64, 48).Pixels.ToArray();
        foreach (var kind in Enum.GetValues<ImageOperationKind>())
        {
            var operation = ImageOperation.AtMagnitude(kind, 7, true);
            Assert.AreEqual(0, Allocations.OfTen(() => operation.Apply(rgb, 64, 48, _fill)), kind.ToString());
        }
    }

    [TestMethod]
    public void WrongArgumentsAreRefused()
    {
        Refused(ImageOperationKind.Invert, 1);
        Refused(ImageOperationKind.Rotate, 90);
        Refused(ImageOperationKind.Posterize, 2.5);
        Refused(ImageOperationKind.Posterize, 9);
        Refused(ImageOperationKind.Solarize, 257);
        Refused(ImageOperationKind.SolarizeAdd, -1);
        Refused(ImageOperationKind.Sharpness, -0.1);
        Refused(ImageOperationKind.TranslateX, double.NaN);
        Refused((ImageOperationKind)15, 0);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ImageOperation.AtMagnitude(ImageOperationKind.Rotate, 10.5, false));
        var e = Assert.ThrowsExactly<ArgumentException>(() => new ImageOperation(ImageOperationKind.Invert).Apply(new byte[26], 3, 3, _fill));
        StringAssert.Contains(e.Message, "27");

        static void Refused(ImageOperationKind kind, double argument) =>
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ImageOperation(kind, argument));
    }

    private static string Form(byte[] data) =>
        data.Length <= 36 ? Convert.ToHexStringLower(data) : Convert.ToHexStringLower(SHA256.HashData(data))[..16];
}

using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>Images: from a file to pixels, and the columns that hold them.</summary>
[TestClass]
public sealed class ImageContractTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-images-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    /// <summary>Red, green, blue of pixel (x, y), whatever the pixel format.</summary>
    private static (byte R, byte G, byte B) Pixel(MLImage image, int x, int y)
    {
        ReadOnlySpan<byte> p = image.Pixels.Slice((y * image.Width + x) * 4, 4);
        return image.PixelFormat == MLPixelFormat.Rgba32 ? (p[0], p[1], p[2]) : (p[2], p[1], p[0]);
    }

    private static MLImage Gradient(int width, int height)
    {
        var pixels = new byte[width * height * 4];
        for (int i = 0; i < width * height; i++)
            (pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2], pixels[4 * i + 3]) = ((byte)(i * 7), (byte)(i * 3), (byte)i, 255);
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);
    }

    private string Save(MLImage image, string name)
    {
        string path = Path.Combine(_folder, name);
        image.Save(path);
        return path;
    }

    [TestMethod]
    public void PngKeepsEveryPixel()
    {
        using MLImage image = Gradient(17, 9), back = MLImage.CreateFromFile(Save(image, "a.png"));
        Assert.AreEqual((17, 9), (back.Width, back.Height));
        for (int y = 0; y < 9; y++)
            for (int x = 0; x < 17; x++)
                Assert.AreEqual(Pixel(image, x, y), Pixel(back, x, y));
        (byte R, byte G, byte B) = Pixel(back, 5, 1);
        CollectionAssert.AreEqual(new[] { B, G, R }, back.GetBGRPixels[((17 + 5) * 3)..((17 + 5) * 3 + 3)]);
    }

    [TestMethod]
    public void ContentDecidesNotTheExtension()
    {
        string png = Save(Gradient(4, 4), "a.png"), disguised = Path.Combine(_folder, "b.jpg");
        File.Copy(png, disguised);
        using MLImage image = MLImage.CreateFromFile(disguised);
        Assert.AreEqual(4, image.Width);
    }

    /// <summary>16×16 pixels of (200, 100, 50), progressive, quality 90.</summary>
    private const string BrownJpeg = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/
        2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAQABADAREAAhEBAxEB/8QA
        FQABAQAAAAAAAAAAAAAAAAAAAAP/xAAWAQEBAQAAAAAAAAAAAAAAAAAABgf/2gAMAwEAAhADEAAAAYw+kAD/xAAUEAEAAAAAAAAAAAAAAAAAAAAg/9oACAEB
        AAEFAh//xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oACAEDAQE/AR//xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oACAECAQE/AR//xAAUEAEAAAAAAAAAAAAAAAAA
        AAAg/9oACAEBAAY/Ah//xAAUEAEAAAAAAAAAAAAAAAAAAAAg/9oACAEBAAE/IR//2gAMAwEAAgADAAAAEJJP/8QAFBEBAAAAAAAAAAAAAAAAAAAAIP/aAAgB
        AwEBPxAf/8QAFBEBAAAAAAAAAAAAAAAAAAAAIP/aAAgBAgEBPxAf/8QAFBABAAAAAAAAAAAAAAAAAAAAIP/aAAgBAQABPxAf/9k=
        """;

    [TestMethod]
    public void JpegIsReadNearly()
    {
        MlNetFlavour.NeedsJpeg();
        using MLImage back = MLImage.CreateFromStream(new MemoryStream(Convert.FromBase64String(BrownJpeg)));
        Assert.AreEqual((16, 16), (back.Width, back.Height));
        (byte R, byte G, byte B) = Pixel(back, 8, 8);
        Assert.IsTrue(Math.Abs(R - 200) < 4 && Math.Abs(G - 100) < 4 && Math.Abs(B - 50) < 4, $"{R} {G} {B}");
        Assert.AreEqual(255, back.Pixels[3]);
    }

    [TestMethod]
    public void WhatIsNoImageIsAnArgumentError()
    {
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromStream(new MemoryStream([1, 2, 3, 4, 5, 6, 7, 8, 9])));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromStream(new MemoryStream()));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromFile(Path.Combine(_folder, "absent.png")));
        Assert.Throws<ArgumentNullException>(() => MLImage.CreateFromStream(null!));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromPixels(2, 2, MLPixelFormat.Bgra32, new byte[3]));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromPixels(0, 2, MLPixelFormat.Bgra32, []));
        byte[] png = File.ReadAllBytes(Save(Gradient(4, 4), "a.png"));
        Assert.Throws<ArgumentException>(() => MLImage.CreateFromStream(new MemoryStream(png[..20])));
    }

    [TestMethod]
    public void DisposedImageIsAnInvalidOperation()
    {
        MLImage image = Gradient(2, 2);
        image.Tag = "here";
        Assert.AreEqual("here", image.Tag);
        image.Dispose();
        image.Dispose();
        Assert.Throws<InvalidOperationException>(() => image.Width);
        Assert.Throws<InvalidOperationException>(() => image.Pixels.Length);
    }

    public sealed class Named
    {
        public string Path = "";
    }

    [TestMethod]
    public void LoadImagesDecodesInOrderAndDisposesTheOneBefore()
    {
        foreach (int size in (int[])[3, 5])
            Save(Gradient(size, size), $"{size}.png");
        IDataView view = _ml.Data.LoadFromEnumerable(new Named[] { new() { Path = "3.png" }, new() { Path = "5.png" }, new() });
        var loader = _ml.Transforms.LoadImages("Image", _folder, "Path");
        IDataView loaded = loader.Fit(view).Transform(view);
        Assert.AreEqual(new ImageDataViewType(), loaded.Schema["Image"].Type);
        Assert.AreEqual(typeof(MLImage), loaded.Schema["Image"].Type.RawType);

        using DataViewRowCursor cursor = loaded.GetRowCursor([loaded.Schema["Image"]]);
        ValueGetter<MLImage> getter = cursor.GetGetter<MLImage>(loaded.Schema["Image"]);
        MLImage image = null!;
        cursor.MoveNext();
        getter(ref image);
        MLImage first = image;
        Assert.AreEqual(3, first.Width);
        Assert.AreEqual(Path.Combine(_folder, "3.png"), first.Tag);
        cursor.MoveNext();
        getter(ref image);
        Assert.AreEqual(5, image.Width);
        Assert.Throws<InvalidOperationException>(() => first.Width);
        cursor.MoveNext();
        getter(ref image);
        Assert.IsNull(image);
    }

    [TestMethod]
    public void MissingFileIsFoundWhenItIsReadAndMissingFolderAtOnce()
    {
        IDataView view = _ml.Data.LoadFromEnumerable(new Named[] { new() { Path = "absent.png" } });
        IDataView loaded = _ml.Transforms.LoadImages("Image", _folder, "Path").Fit(view).Transform(view);
        Assert.Throws<FileNotFoundException>(() => loaded.GetColumn<MLImage>("Image").Count());
        Assert.Throws<ArgumentException>(() => _ml.Transforms.LoadImages("Image", Path.Combine(_folder, "absent"), "Path"));
    }

    public sealed class Many
    {
        public MLImage[] Images { get; set; } = [];
    }

    /// <summary>Why a clip is a folder, paths or several columns.</summary>
    [TestMethod]
    public void ThereAreNoVectorsOfImages()
    {
        Assert.IsFalse(typeof(PrimitiveDataViewType).IsAssignableFrom(typeof(ImageDataViewType)));
        Assert.Throws<ArgumentException>(() => _ml.Data.LoadFromEnumerable(new Many[] { new() }));
    }

    public sealed class Held
    {
        public string Id { get; set; } = "";

        [ImageType(4, 4)]
        public MLImage? Image { get; set; }
    }

    [TestMethod]
    public void ImagesOfTheCallerAreAColumn()
    {
        using MLImage image = Gradient(4, 4);
        IDataView view = _ml.Data.LoadFromEnumerable(new Held[] { new() { Image = image } });
        Assert.AreEqual(new ImageDataViewType(4, 4), view.Schema["Image"].Type);
        Assert.AreSame(image, view.GetColumn<MLImage>("Image").Single());
        // What cannot be copied is not cached.
        CollectionAssert.AreEqual(new[] { "Id" }, _ml.Data.Cache(view).Schema.Select(c => c.Name).ToArray());
    }
}

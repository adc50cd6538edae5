using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>A row with the path of an image.</summary>
public sealed class PathRow
{
    public string Id { get; set; } = "";

    public string Label { get; set; } = "";

    public string ImagePath { get; set; } = "";

    public bool Held { get; set; }
}

/// <summary>A row with a decoded image.</summary>
public sealed class PictureRow
{
    [ImageType(32, 32)]
    public MLImage? Image { get; set; }
}

/// <summary>What the pipeline says of a row.</summary>
public sealed class Scored
{
    public string Id { get; set; } = "";

    public float[] Score { get; set; } = [];

    public uint PredictedLabel { get; set; }
}

/// <summary>Deterministic pictures of three classes that a tiny network tells apart: stripes of different directions and colours with noise.</summary>
internal static class Pictures
{
    public static readonly string[] Classes = ["rust", "moss", "sky"];

    private static readonly Lazy<string> SharedFolder = new(() =>
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto-stage-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        for (int i = 0; i < 90; i++) Save(i, Path.Combine(folder, $"{i}.png"));
        return folder;
    });

    /// <summary>90 PNG files; picture i is of class i mod 3.</summary>
    public static string Folder => SharedFolder.Value;

    public static MLImage Create(int index)
    {
        var random = new Random(index);
        int width = 30 + random.Next(12), height = 30 + random.Next(12), kind = index % 3;
        var pixels = new byte[width * height * 4];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                int stripe = ((kind == 0 ? x : kind == 1 ? y : x + y) / 3 & 1) * 60;
                for (int c = 0; c < 3; c++) pixels[(y * width + x) * 4 + c] = (byte)Math.Clamp((c == kind ? 150 : 60) + stripe + random.Next(60) - 30, 0, 255);
                pixels[(y * width + x) * 4 + 3] = 255;
            }
        }
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);
    }

    public static void Save(int index, string path)
    {
        using var image = Create(index);
        image.Save(path);
    }

    /// <summary>Rows of the pictures first … first + count − 1, with file names relative to <see cref="Folder"/>, or whole paths.</summary>
    public static PathRow[] Rows(int first, int count, bool wholePaths = false) =>
        [.. Enumerable.Range(first, count).Select(i => new PathRow
        {
            Id = "r" + i, Label = Classes[i % 3], ImagePath = wholePaths ? Path.Combine(Folder, $"{i}.png") : $"{i}.png", Held = i % 5 == 0,
        })];
}

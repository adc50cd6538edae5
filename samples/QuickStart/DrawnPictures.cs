using Microsoft.ML.Data;

namespace RMeeTo.Samples;

/// <summary>Writes the demo's pictures as PNG files: train/CLASS/0000.png … and val/CLASS/0000.png ….</summary>
internal static class DrawnPictures
{
    public static void Write(string folder, int count)
    {
        Write(Path.Combine(folder, "train"), PictureSet.Train, count);
        Write(Path.Combine(folder, "val"), PictureSet.Test, count);
    }

    private static void Write(string folder, PictureSet set, int count)
    {
        foreach (string name in Shape.Names) Directory.CreateDirectory(Path.Combine(folder, name));
        Parallel.For(0, count, number =>
        {
            var rgb = ShapePicture.Draw(set, number);
            var bgra = new byte[rgb.Length / 3 * 4];
            for (int from = 0, to = 0; to < bgra.Length; from += 3, to += 4) (bgra[to], bgra[to + 1], bgra[to + 2], bgra[to + 3]) = (rgb[from + 2], rgb[from + 1], rgb[from], 255);
            using var image = MLImage.CreateFromPixels(ShapePicture.Size, ShapePicture.Size, MLPixelFormat.Bgra32, bgra);
            image.Save(Path.Combine(folder, Shape.Names[ShapePicture.ClassOf(number)], $"{number / Shape.Names.Length:0000}.png"));
        });
    }
}

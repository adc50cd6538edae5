using Microsoft.ML.Data;
using RMeeTo.Vim.Images;

namespace RMeeTo.Samples;

/// <summary>Pictures with labels, ready to be run through a network any number of times.</summary>
internal static class Photographs
{
    /// <summary>FOLDER/CLASS/*.jpg|png; the classes are numbered as their names are given.</summary>
    public static ImageStore Read(string folder, IReadOnlyList<string> classNames, int perClass = int.MaxValue)
    {
        var store = new ImageStore();
        for (int label = 0; label < classNames.Count; label++)
        {
            var files = Directory.GetFiles(Path.Combine(folder, classNames[label])).Order(StringComparer.Ordinal).Take(perClass);
            foreach (string file in files)
            {
                using var image = MLImage.CreateFromFile(file);
                bool blueFirst = image.PixelFormat == MLPixelFormat.Bgra32;
                var (width, height) = (image.Width, image.Height);
                store.Add(blueFirst ? RgbImage.FromBgra(image.Pixels, width, height) : RgbImage.FromRgba(image.Pixels, width, height), label, file);
            }
        }
        return store;
    }

    /// <summary>The demo's own pictures.</summary>
    public static ImageStore Draw(PictureSet set, int count)
    {
        var store = new ImageStore();
        for (int i = 0; i < count; i++) store.Add(new RgbImage(ShapePicture.Draw(set, i), ShapePicture.Size, ShapePicture.Size), ShapePicture.ClassOf(i));
        return store;
    }
}

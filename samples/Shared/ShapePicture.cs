using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>A picture of the demo: one of ten shapes, textured, turned, on a textured ground, among strokes and scraps, under noise. A function of (set, number).</summary>
internal static class ShapePicture
{
    /// <summary>Edge in pixels.</summary>
    public const int Size = 64;

    /// <summary>The class of a picture: all classes are equally frequent.</summary>
    public static int ClassOf(long number) => (int)(number % Shape.Names.Length);

    /// <summary>Draws a picture.</summary>
    /// <param name="set">Pictures of different sets have nothing in common.</param>
    /// <param name="number">Which one, from 0.</param>
    /// <returns>[64, 64, 3], red, green, blue.</returns>
    public static byte[] Draw(PictureSet set, long number)
    {
        var random = CounterRandom.For((ulong)set, 0, number, RandomPurpose.Custom);
        Colour ground = Colour.Random(ref random), figure;
        do figure = Colour.Random(ref random);
        while (figure.Distance(ground) < 240);
        var layers = new List<Layer> { Layer.Everywhere(new Texture(ref random, ground, 28)) };
        for (int i = random.NextInt(4); i > 0; i--) layers.Add(Layer.Scrap(ref random));
        for (int i = random.NextInt(3); i > 0; i--) layers.Add(Layer.Stroke(ref random));
        layers.Add(Layer.Figure(ref random, ClassOf(number), new Texture(ref random, figure, 28)));
        for (int i = random.NextInt(2); i > 0; i--) layers.Add(Layer.Stroke(ref random));

        var pixels = new byte[Size * Size * 3];
        for (int i = 0, y = 0; y < Size; y++)
            for (int x = 0; x < Size; x++, i += 3)
            {
                var colour = default(Colour);
                foreach (var layer in layers)
                    if (layer.Cover(x, y) is > 0 and var cover) colour = colour.Mix(layer.Texture.At(x, y), cover);
                pixels[i] = Noisy(colour.Red, ref random);
                pixels[i + 1] = Noisy(colour.Green, ref random);
                pixels[i + 2] = Noisy(colour.Blue, ref random);
            }
        return pixels;
    }

    private static byte Noisy(double value, ref CounterRandom random) => (byte)Math.Clamp(Math.Round(value + random.NextDouble(-14, 14)), 0, 255);
}

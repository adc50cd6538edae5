using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>Something that covers a part of a picture with a texture: a shape of ±1, scaled, turned and moved; edges are one pixel soft.</summary>
internal readonly struct Layer
{
    private readonly int _shape;
    private readonly double _left, _top, _cos, _sin, _width, _height;

    private Layer(int shape, Texture texture, double x, double y, double angle, double width, double height)
    {
        (_shape, Texture, _left, _top, _width, _height) = (shape, texture, x, y, width, height);
        (_cos, _sin) = (Math.Cos(angle), Math.Sin(angle));
    }

    public Texture Texture { get; }

    public static Layer Everywhere(Texture texture) => new(Shape.Square, texture, 0, 0, 0, 1e3, 1e3);

    /// <summary>What the picture shows.</summary>
    public static Layer Figure(ref CounterRandom random, int shape, Texture texture)
    {
        double radius = random.NextDouble(15, 25), margin = radius;
        return new(shape, texture, random.NextDouble(margin, ShapePicture.Size - margin), random.NextDouble(margin, ShapePicture.Size - margin), random.NextDouble(0, 2 * Math.PI), radius, radius);
    }

    /// <summary>A small scrap that is no whole shape.</summary>
    public static Layer Scrap(ref CounterRandom random) => Bar(ref random, random.NextDouble(2, 6), random.NextDouble(2, 6));

    /// <summary>A long thin stroke.</summary>
    public static Layer Stroke(ref CounterRandom random) => Bar(ref random, random.NextDouble(15, 40), random.NextDouble(0.8, 1.6));

    /// <summary>How much of a pixel is covered, 0 to 1.</summary>
    public double Cover(double x, double y)
    {
        double dx = x - _left, dy = y - _top, reach = 1 + 1.5 * Math.Max(_width, _height);
        if (dx * dx + dy * dy > reach * reach) return 0;
        double inside = Shape.Inside(_shape, (_cos * dx + _sin * dy) / _width, (_cos * dy - _sin * dx) / _height);
        return Math.Clamp(0.5 + inside * Math.Min(_width, _height), 0, 1);
    }

    private static Layer Bar(ref CounterRandom random, double width, double height) =>
        new(Shape.Square, new Texture(ref random, Colour.Random(ref random), 20), random.NextDouble(0, ShapePicture.Size), random.NextDouble(0, ShapePicture.Size), random.NextDouble(0, Math.PI), width, height);
}

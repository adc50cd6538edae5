using RMeeTo.Vim;

namespace RMeeTo.Samples;

/// <summary>A colour that varies from place to place: stripes, checks, dots or a slope, between two colours.</summary>
internal readonly struct Texture
{
    private readonly int _kind;
    private readonly double _x, _y, _phase;
    private readonly Colour _first, _second;

    /// <summary>A random texture around a colour.</summary>
    public Texture(ref CounterRandom random, Colour colour, double contrast)
    {
        _kind = random.NextInt(4);
        double angle = random.NextDouble(0, Math.PI), period = random.NextDouble(5, 16), frequency = 2 * Math.PI / (_kind == 3 ? 128 : period);
        (_x, _y, _phase) = (frequency * Math.Cos(angle), frequency * Math.Sin(angle), random.NextDouble(0, 2 * Math.PI));
        var shift = new Colour(random.NextDouble(-contrast, contrast), random.NextDouble(-contrast, contrast), random.NextDouble(-contrast, contrast));
        (_first, _second) = (colour.Plus(shift, 1), colour.Plus(shift, -1));
    }

    /// <summary>The colour at a place, in pixels.</summary>
    public Colour At(double x, double y)
    {
        double along = Math.Sin(_x * x + _y * y + _phase), across = Math.Sin(_x * y - _y * x + _phase);
        double share = _kind switch
        {
            0 => along > 0 ? 1 : 0,
            1 => along * across > 0 ? 1 : 0,
            2 => along + across > 0.8 ? 1 : 0,
            _ => 0.5 + 0.5 * along,
        };
        return _first.Mix(_second, share);
    }
}

/// <summary>Red, green and blue, 0 to 255 and a little beyond.</summary>
internal readonly record struct Colour(double Red, double Green, double Blue)
{
    public static Colour Random(ref CounterRandom random) => new(random.NextDouble(20, 235), random.NextDouble(20, 235), random.NextDouble(20, 235));

    public Colour Plus(Colour other, double factor) => new(Red + factor * other.Red, Green + factor * other.Green, Blue + factor * other.Blue);

    public Colour Mix(Colour other, double share) => new(Red + share * (other.Red - Red), Green + share * (other.Green - Green), Blue + share * (other.Blue - Blue));

    public double Distance(Colour other) => Math.Abs(Red - other.Red) + Math.Abs(Green - other.Green) + Math.Abs(Blue - other.Blue);
}

namespace RMeeTo.Samples;

/// <summary>The ten outlines of the demo's classes, in a square of ±1. All are mirror images of themselves, so that flips keep the class.</summary>
internal static class Shape
{
    /// <summary>Names of the classes, in the order in which ML.NET meets them when it reads the folders.</summary>
    public static readonly string[] Names = ["circle", "crescent", "cross", "ellipse", "pentagon", "ring", "semicircle", "square", "star", "triangle"];

    /// <summary>Number of the square, of which strokes and scraps are made too.</summary>
    public const int Square = 7;

    /// <summary>About the distance from a point to the outline, positive inside.</summary>
    public static double Inside(int shape, double x, double y) => shape switch
    {
        0 => 0.85 - Math.Sqrt(x * x + y * y),
        1 => Math.Min(0.95 - Math.Sqrt(x * x + y * y), Math.Sqrt((x - 0.5) * (x - 0.5) + y * y) - 0.75),
        2 => Math.Max(Box(x, y, 0.95, 0.3), Box(x, y, 0.3, 0.95)),
        3 => 0.8 * (1 - Math.Sqrt(x * x + y * y / 0.36)),
        4 => Polygon(x, y, 5, 0.95),
        5 => 0.2 - Math.Abs(0.7 - Math.Sqrt(x * x + y * y)),
        6 => Math.Min(0.95 - Math.Sqrt(x * x + (y + 0.4) * (y + 0.4)), y + 0.4),
        Square => Box(x, y, 0.75, 0.75),
        8 => Star(x, y),
        _ => Polygon(x, y, 3, 1),
    };

    private static double Box(double x, double y, double halfWidth, double halfHeight) => Math.Min(halfWidth - Math.Abs(x), halfHeight - Math.Abs(y));

    private static double Polygon(double x, double y, int corners, double radius)
    {
        var (distance, angle) = Fold(x, y, corners);
        return radius * Math.Cos(Math.PI / corners) - distance * Math.Cos(angle);
    }

    /// <summary>Five points; the edge of one runs from the tip (1, 0) to the notch at radius 0.45, turned by 36°.</summary>
    private static double Star(double x, double y)
    {
        var (distance, angle) = Fold(x, y, 5);
        double tip = Math.PI / 5 - Math.Abs(angle), px = distance * Math.Cos(tip), py = distance * Math.Sin(tip);
        const double NotchX = 0.364, NotchY = 0.2645;
        return (NotchY * (1 - px) - (1 - NotchX) * py) / 0.689;
    }

    /// <summary>Polar coordinates, the angle folded into ±180°/n around the middle of an edge.</summary>
    private static (double Distance, double Angle) Fold(double x, double y, int n)
    {
        double sector = 2 * Math.PI / n, angle = Math.Atan2(y, x);
        return (Math.Sqrt(x * x + y * y), angle - sector * Math.Floor(angle / sector) - sector / 2);
    }
}

using System.Globalization;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>Where a pixel of the result comes from: (A·x + B·y + C, D·x + E·y + F), in pixels, (0, 0) being the outer corner of the first.</summary>
internal readonly record struct AffineMap(double A, double B, double C, double D, double E, double F)
{
    /// <summary>Turns an image counter-clockwise around its centre, as Pillow's <c>Image.rotate</c>, which rounds sine and cosine to 15 decimals.</summary>
    public static AffineMap Rotation(double degrees, int width, int height)
    {
        // The remainder that Python means: never negative.
        var turned = degrees < 0 ? degrees % 360.0 + 360.0 : degrees % 360.0;
        var angle = -(turned * (Math.PI / 180.0));
        double cosine = Round15(Math.Cos(angle)), sine = Round15(Math.Sin(angle)), negativeSine = Round15(-Math.Sin(angle));
        double x = width / 2.0, y = height / 2.0;
        return new AffineMap(cosine, sine, cosine * -x + sine * -y + x, negativeSine, cosine, negativeSine * -x + cosine * -y + y);
    }

    /// <summary>Rounds the exact decimal expansion, as Python does. Math.Round multiplies by 10¹⁵ first, which is off by one unit now and then.</summary>
    private static double Round15(double value)
    {
        Span<char> text = stackalloc char[32];
        return value.TryFormat(text, out var length, "F15", CultureInfo.InvariantCulture)
            ? double.Parse(text[..length], NumberStyles.Float, CultureInfo.InvariantCulture)
            : throw new ArgumentOutOfRangeException(nameof(value), value, "A sine is at most 1.");
    }
}

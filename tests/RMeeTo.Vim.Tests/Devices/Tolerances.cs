namespace RMeeTo.Vim.Tests.Devices;

/// <summary>Largest difference allowed, relative to the largest value of the tensor: five to ten times what two correct float programs differ by.</summary>
internal static class Tolerances
{
    public const double Exact = 0;
    public const double Merge = 1e-6;
    public const double Forward = 3e-6;
    public const double Gradient = 2e-5;

    /// <summary>max |actual − expected| / max |expected|. NaN where a value is NaN on one side only.</summary>
    public static double RelativeError(IReadOnlyList<double> actual, IReadOnlyList<double> expected)
    {
        Assert.AreEqual(expected.Count, actual.Count, "number of values");
        double largest = 0, difference = 0;
        for (int i = 0; i < expected.Count; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            difference = Math.Max(difference, Math.Abs(actual[i] - expected[i]));
        }
        return difference == 0 ? 0 : difference / Math.Max(largest, 1e-30);
    }

    /// <summary>Fails where the error is larger than allowed, or is no number.</summary>
    public static void AssertClose(string what, IReadOnlyList<double> actual, IReadOnlyList<double> expected, double tolerance)
    {
        double error = RelativeError(actual, expected);
        if (!(error <= tolerance)) Assert.Fail($"{what}: relative error {error:0.0e+00}, allowed {tolerance:0.0e+00}.");
    }

    /// <summary>Fails where the rows of a result are not the same bits, or on a device whose products look at the number of rows not close.</summary>
    public static void AssertSame(string deviceName, double[] expected, double[] actual, string what)
    {
        if (DevicesUnderTest.KeepsBits(deviceName)) CollectionAssert.AreEqual(expected, actual, what);
        else AssertClose(what, actual, expected, 1e-4);
    }
}

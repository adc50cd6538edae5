namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>Checks a gradient in double against the function itself.</summary>
internal static class CentralDifferences
{
    /// <summary><paramref name="values"/> are what <paramref name="loss"/> reads; they are moved one by one and put back.</summary>
    public static void Check(double[] values, double[] gradient, Func<double> loss, string name)
    {
        const double step = 1e-5;
        Assert.AreEqual(values.Length, gradient.Length, name);
        for (var i = 0; i < values.Length; i++)
        {
            var kept = values[i];
            values[i] = kept + step;
            var above = loss();
            values[i] = kept - step;
            var below = loss();
            values[i] = kept;
            Assert.AreEqual((above - below) / (2 * step), gradient[i], 1e-8, $"{name}[{i}]");
        }
    }
}

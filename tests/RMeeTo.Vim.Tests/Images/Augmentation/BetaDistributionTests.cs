using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class BetaDistributionTests
{
    private const int N = 40000;

    /// <summary>Mean ½, variance 1 / (4(2α+1)), kurtosis 3 − 6 / (2α+3); five standard deviations of each estimate.</summary>
    [TestMethod]
    [DataRow(0.2)]
    [DataRow(0.8)]
    [DataRow(1.0)]
    [DataRow(1.5)]
    [DataRow(30.0)]
    public void MomentsAreThoseOfTheDistribution(double alpha)
    {
        double variance = 1 / (4 * (2 * alpha + 1)), kurtosis = 3 - 6 / (2 * alpha + 3);
        double mean = 0, second = 0, fourth = 0, eighth = 0;
        foreach (var x in Draw(alpha))
        {
            Assert.IsTrue(x is >= 0 and <= 1);
            var d = (x - 0.5) * (x - 0.5);
            mean += x / N;
            second += d / N;
            fourth += d * d / N;
            eighth += d * d * d * d / N;
        }

        Assert.AreEqual(0.5, mean, 5 * Math.Sqrt(variance / N));
        Assert.AreEqual(variance, second, 5 * variance * Math.Sqrt((kurtosis - 1) / N));
        Assert.AreEqual(kurtosis * variance * variance, fourth, 5 * Math.Sqrt((eighth - fourth * fourth) / N));
    }

    /// <summary>Kolmogorov and Smirnov, at a level of about 10⁻⁷, where the distribution function has a closed form.</summary>
    [TestMethod]
    public void QuantilesAreThoseOfTheDistribution()
    {
        Check(0.5, x => 2 / Math.PI * Math.Asin(Math.Sqrt(x)));
        Check(1, x => x);
        Check(1.5, x => (2 * Math.Asin(Math.Sqrt(x)) - 2 * (1 - 2 * x) * Math.Sqrt(x * (1 - x))) / Math.PI);
        Check(2, x => x * x * (3 - 2 * x));
        Check(3, x => x * x * x * (10 - 15 * x + 6 * x * x));

        static void Check(double alpha, Func<double, double> distribution)
        {
            var sorted = Draw(alpha).Order().ToArray();
            var distance = sorted.Select((x, i) => Math.Abs(distribution(x) - (i + 0.5) / N)).Max();
            Assert.IsTrue(distance < 2.9 / Math.Sqrt(N), $"α = {alpha}: {distance}");
        }
    }

    [TestMethod]
    public void AVerySmallAlphaGivesZeroOrOne()
    {
        var ones = Draw(1e-6).Count(x => x > 0.5);
        Assert.AreEqual(N / 2.0, ones, 5 * Math.Sqrt(N / 4.0));
        // About α · ln 10⁹ = 0.00002 of the numbers are in between: one of these.
        Assert.IsTrue(Draw(1e-6).Count(x => x is > 1e-9 and < 1 - 1e-9) < 10);
    }

    private static double[] Draw(double alpha)
    {
        var random = CounterRandom.For(11, 0, 0, RandomPurpose.Mix);
        var numbers = new double[N];
        foreach (ref var x in numbers.AsSpan()) x = BetaDistribution.Next(ref random, alpha);
        return numbers;
    }
}

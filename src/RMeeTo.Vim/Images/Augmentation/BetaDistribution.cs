namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>Random numbers distributed as Beta(α, α).</summary>
internal static class BetaDistribution
{
    /// <summary>One number in [0, 1].</summary>
    /// <param name="random">Takes as many numbers as it needs.</param>
    /// <param name="alpha">α, positive.</param>
    public static double Next(ref CounterRandom random, double alpha)
    {
        if (alpha <= 1) return Johnk(ref random, alpha);
        double first = Gamma(ref random, alpha), second = Gamma(ref random, alpha);
        return first / (first + second);
    }

    /// <summary>
    /// Jöhnk (1964): u^(1/α) / (u^(1/α) + v^(1/α)) where that sum is at most 1. At least every second try is taken while α ≤ 1. In logarithms, since for
    /// small α both powers are below the smallest number there is.
    /// </summary>
    private static double Johnk(ref CounterRandom random, double alpha)
    {
        while (true)
        {
            // 1 - u is in (0, 1], so that the logarithm is finite.
            double x = Math.Log(1 - random.NextDouble()) / alpha, y = Math.Log(1 - random.NextDouble()) / alpha;
            double greater = Math.Max(x, y);
            double logSum = greater + Math.Log(Math.Exp(x - greater) + Math.Exp(y - greater));
            if (logSum <= 0) return Math.Exp(x - logSum);
        }
    }

    /// <summary>Marsaglia and Tsang, "A simple method for generating gamma variables" (2000), for a shape of at least 1.</summary>
    private static double Gamma(ref CounterRandom random, double shape)
    {
        double d = shape - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = random.NextGaussian(), root = 1 + c * x, u = 1 - random.NextDouble();
            double v = root * root * root;
            if (root > 0 && Math.Log(u) < 0.5 * x * x + d * (1 - v + Math.Log(v))) return d * v;
        }
    }
}

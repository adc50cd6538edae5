using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>The draws of stochastic depth: how often, how much, independent of each other, and a function of the key alone.</summary>
[TestClass]
public sealed class DropPathFactorsTests
{
    private const int Draws = 40_000;
    private const int Depth = 8;
    private static readonly DropPath s_dropPath = new(0.5);

    /// <summary>A branch is dropped at its rate, and counts in the mean as much as ever; both within five standard deviations.</summary>
    [TestMethod]
    public void BranchesAreDroppedAtTheirRates()
    {
        double[] rates = s_dropPath.VimRates(Depth);
        double[][] factors = Factors(s_dropPath, Keys(epoch: 0));
        for (int k = 2; k <= Depth; k++)
        {
            double rate = rates[k], kept = (float)(1 / (1 - rate));
            Assert.IsTrue(factors[k].All(f => f == 0 || f == kept), $"factors of addition {k}");
            Assert.AreEqual(rate, factors[k].Count(f => f == 0) / (double)Draws, 5 * Math.Sqrt(rate * (1 - rate) / Draws), $"frequency of addition {k}");
            Assert.AreEqual(1, factors[k].Average(), 5 * Math.Sqrt(rate / (1 - rate) / Draws), $"mean of addition {k}");
        }
        Assert.IsTrue(factors[..2].All(f => f.All(factor => factor == 1)), "the first two drop nothing");
    }

    /// <summary>Every two branches, samples, epochs, seeds and purposes are uncorrelated, within five standard deviations.</summary>
    [TestMethod]
    public void DrawsAreIndependent()
    {
        double[][] factors = Factors(s_dropPath, Keys(epoch: 0)), others = Factors(s_dropPath, Keys(epoch: 1));
        double[][] seeded = Factors(s_dropPath, Keys(epoch: 0, seed: 8));
        double[][] teacher = Factors(s_dropPath with { Purpose = RandomPurpose.TeacherDropPath }, Keys(epoch: 0));
        for (int k = 2; k <= Depth; k++)
        {
            for (int other = 2; other < k; other++) Check($"additions {k} and {other}", factors[k], factors[other]);
            Check($"addition {k}, neighbours", factors[k][1..], factors[k][..^1]);
            Check($"addition {k}, epochs", factors[k], others[k]);
            Check($"addition {k}, seeds", factors[k], seeded[k]);
            Check($"addition {k}, student and teacher", factors[k], teacher[k]);
        }

        static void Check(string what, double[] x, double[] y)
        {
            double meanX = x.Average(), meanY = y.Average(), product = 0, squareX = 0, squareY = 0;
            for (int i = 0; i < x.Length; i++)
            {
                product += (x[i] - meanX) * (y[i] - meanY);
                squareX += (x[i] - meanX) * (x[i] - meanX);
                squareY += (y[i] - meanY) * (y[i] - meanY);
            }
            Assert.AreEqual(0, product / Math.Sqrt(squareX * squareY), 5 / Math.Sqrt(x.Length), what);
        }
    }

    /// <summary>Whatever the place in the batch, the size of the batch, and what was drawn before.</summary>
    [TestMethod]
    public void AnImageHasTheFactorsOfItsKey()
    {
        SampleKey[] keys = [.. Keys(epoch: 2).Take(40)];
        double[][] together = Factors(s_dropPath, keys), turned = Factors(s_dropPath, [.. keys.Reverse()]);
        for (int k = 0; k <= Depth; k++) CollectionAssert.AreEqual(together[k].Reverse().ToArray(), turned[k]);
        for (int i = 0; i < keys.Length; i++)
        {
            double[] alone = [.. Factors(s_dropPath, [keys[i]]).Select(f => f[0])];
            CollectionAssert.AreEqual(together.Select(f => f[i]).ToArray(), alone);
        }
        Assert.IsGreaterThan(20, Enumerable.Range(0, keys.Length).Select(i => string.Join(' ', together.Select(f => f[i]))).Distinct().Count());
    }

    /// <summary>Recorded once: a change would make resumed runs and published results irreproducible.</summary>
    [TestMethod]
    public void TheSameKeyGivesTheSameFactorsForEver()
    {
        double[][] factors = Factors(s_dropPath, [.. Enumerable.Range(12345, 8).Select(sample => new SampleKey(42, 3, sample))]);
        Assert.AreEqual("111111110 111000010 111101101 111111010 111111001 111111101 111111111 111111111",
            string.Join(' ', Enumerable.Range(0, 8).Select(i => string.Concat(factors.Select(f => f[i] > 0 ? '1' : '0')))));
    }

    private static SampleKey[] Keys(int epoch, ulong seed = 7) => [.. Enumerable.Range(0, Draws).Select(i => new SampleKey(seed, epoch, i))];

    /// <summary>[additions][images]</summary>
    private static double[][] Factors(DropPath dropPath, SampleKey[] keys)
    {
        using var device = CpuDevice.Create();
        var factors = DropPathFactors.Create(Matrix, dropPath, dropPath.VimRates(Depth), keys.Length)!;
        for (int i = 0; i < keys.Length; i++) factors.SetKey(i, keys[i]);
        factors.Draw(keys.Length);
        return [.. Enumerable.Range(0, Depth + 1).Select(k => factors.At(k, keys.Length) is { IsNone: false } drawn ? GoldenRun.Read(drawn)
            : [.. Enumerable.Repeat(1.0, keys.Length)])];

        DeviceMatrix Matrix(int rows, int columns) => new(device.Allocate(rows * columns), rows, columns);
    }
}

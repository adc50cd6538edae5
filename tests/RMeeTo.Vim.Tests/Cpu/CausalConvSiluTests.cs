using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Cpu;

[TestClass]
public sealed unsafe class CausalConvSiluTests
{
    private static readonly int[] ChannelCounts = [1, 2, 3, 4, 5, 6, 16, 17, 31, 48];

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void MatchesTheFormulas(int bits)
    {
        for (var length = 1; length <= 40; length++)
            for (var options = 0; options < 16; options++)
                Compare(bits, length, ChannelCounts[(length + options) % ChannelCounts.Length], 2 + length % 3, options);
        Compare(bits, 197, 40, 4, 15);
        Compare(bits, 197, 37, 4, 14);
    }

    [TestMethod]
    public void FormulasAgreeWithCentralDifferences()
    {
        for (var options = 0; options < 4; options++)
        {
            var random = new Random(options);
            double[] Values(int count) => Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1).ToArray();
            var naive = new Naive(6, 2, 4, Values(12), Values(8), Values(2), (options & 1) != 0, (options & 2) != 0);
            var dy = Values(12);
            var (dx, dw, db) = naive.Backward(dy);
            double Loss() => naive.Forward().Zip(dy, (y, g) => y * g).Sum();
            CentralDifferences.Check(naive.X, dx, Loss, "x");
            CentralDifferences.Check(naive.Weight, dw, Loss, "weight");
            CentralDifferences.Check(naive.Bias!, db, Loss, "bias");
        }
    }

    private static void Compare(int bits, int length, int channels, int taps, int options)
    {
        bool silu = (options & 1) != 0, reverse = (options & 2) != 0, hasBias = (options & 4) != 0, accumulate = (options & 8) != 0;
        var what = $"L={length} D={channels} K={taps} silu={silu} reverse={reverse} bias={hasBias} accumulate={accumulate}";
        var kernels = Kernels.Of(bits);
        using var arena = new Arena(length * 100 + channels);
        Matrix x = arena.Matrix(length, channels, -2, 2), y = arena.Matrix(length, channels), dy = arena.Matrix(length, channels), dx = arena.Matrix(length, channels);
        Matrix weight = arena.Vector(channels * taps), bias = arena.Vector(channels), dWeight = arena.Vector(channels * taps), dBias = arena.Vector(channels);
        var naive = new Naive(length, channels, taps, x.ToDouble(), weight.ToDouble(), hasBias ? bias.ToDouble() : null, silu, reverse);
        var arguments = new CausalConvArguments
        {
            Length = length, Channels = channels, Taps = taps, X = x.Pointer, XStride = x.Stride, Weight = weight.Pointer, Bias = hasBias ? bias.Pointer : null, Silu = silu, Reverse = reverse,
        };
        kernels.Conv(arguments, y.Pointer, y.Stride, arena.Scratch(kernels.ConvScratch(channels)));
        y.AssertClose(naive.Forward(), 1e-6, $"y, {what}");

        var (expectedX, expectedWeight, expectedBias) = naive.Backward(dy.ToDouble());
        if (accumulate) expectedX = Sum(expectedX, dx);
        (expectedWeight, expectedBias) = (Sum(expectedWeight, dWeight), Sum(expectedBias, dBias));
        var gradients = new CausalConvGradients
        {
            Y = dy.Pointer, YStride = dy.Stride, X = dx.Pointer, XStride = dx.Stride, AccumulateX = accumulate, Weight = dWeight.Pointer, Bias = dBias.Pointer,
        };
        kernels.ConvBackward(arguments, gradients, arena.Scratch(kernels.ConvScratch(channels)));
        // Sums over tokens may cancel, above all where there is but one channel.
        dx.AssertClose(expectedX, 2e-6, $"gradient of x, {what}");
        dWeight.AssertClose(expectedWeight, 2e-5, $"gradient of the weight, {what}");
        dBias.AssertClose(expectedBias, 2e-5, $"gradient of the bias, {what}");
        arena.AssertGuards();
    }

    private static double[] Sum(double[] values, Matrix already) => values.Zip(already.ToDouble(), (a, b) => a + b).ToArray();

    private sealed record Naive(int Length, int Channels, int Taps, double[] X, double[] Weight, double[]? Bias, bool Silu, bool Reverse)
    {
        /// <summary>Row that tap k of token t reads, or -1.</summary>
        private int Source(int t, int k)
        {
            var s = Reverse ? t + (Taps - 1 - k) : t - (Taps - 1 - k);
            return s < Length ? s : -1;
        }

        private double Before(int t, int d)
        {
            var value = Bias?[d] ?? 0;
            for (var k = 0; k < Taps; k++)
                if (Source(t, k) >= 0) value += Weight[d * Taps + k] * X[Source(t, k) * Channels + d];
            return value;
        }

        public double[] Forward() => Enumerable.Range(0, Length * Channels).Select(i => Before(i / Channels, i % Channels)).Select(v => Silu ? v / (1 + Math.Exp(-v)) : v).ToArray();

        public (double[] X, double[] Weight, double[] Bias) Backward(double[] dy)
        {
            double[] dx = new double[X.Length], dw = new double[Weight.Length], db = new double[Channels];
            for (var t = 0; t < Length; t++)
                for (var d = 0; d < Channels; d++)
                {
                    var v = Before(t, d);
                    var s = 1 / (1 + Math.Exp(-v));
                    var g = dy[t * Channels + d] * (Silu ? s * (1 + v * (1 - s)) : 1);
                    db[d] += g;
                    for (var k = 0; k < Taps; k++)
                    {
                        if (Source(t, k) < 0) continue;
                        dw[d * Taps + k] += g * X[Source(t, k) * Channels + d];
                        dx[Source(t, k) * Channels + d] += g * Weight[d * Taps + k];
                    }
                }

            return (dx, dw, db);
        }
    }
}

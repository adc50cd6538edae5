using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Cpu;

[TestClass]
public sealed unsafe class AddNormTests
{
    private const double Epsilon = 1e-5;

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void MatchesTheFormulas(int bits)
    {
        for (var channels = 1; channels <= 70; channels++)
            for (var options = 0; options < 8; options++) Compare(bits, 1 + channels % 5, channels, options);
        Compare(bits, 197, 192, 0);
        Compare(bits, 7, 384, 7);
    }

    [TestMethod]
    public void FormulasAgreeWithCentralDifferences()
    {
        foreach (var layer in new[] { false, true })
        {
            var random = new Random(7);
            double[] Values(int count) => Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1).ToArray();
            double[] s = Values(15), weight = Values(5), bias = Values(5), dy = Values(15);
            var (ds, dw, db) = Backward(s, weight, dy, layer);
            double Loss() => Forward(s, weight, bias, layer).Zip(dy, (y, g) => y * g).Sum();
            CentralDifferences.Check(s, ds, Loss, "s");
            CentralDifferences.Check(weight, dw, Loss, "weight");
            CentralDifferences.Check(bias, db, Loss, "bias");
        }
    }

    private static void Compare(int bits, int rows, int channels, int options)
    {
        bool layer = (options & 1) != 0, hasHidden = (options & 2) != 0, hasBias = (options & 4) != 0, inPlace = rows % 2 == 0;
        var what = $"M={rows} C={channels} layer={layer} hidden={hasHidden} bias={hasBias} in place={inPlace}";
        var kernels = Kernels.Of(bits);
        using var arena = new Arena(rows * 100 + channels);
        Matrix residual = arena.Matrix(rows, channels), hidden = arena.Matrix(rows, channels), y = arena.Matrix(rows, channels), statistics = arena.Matrix(rows, 2);
        Matrix weight = arena.Vector(channels), bias = arena.Vector(channels), sum = inPlace ? residual : arena.Matrix(rows, channels);
        var s = residual.ToDouble();
        if (hasHidden) s = s.Zip(hidden.ToDouble(), (a, b) => (double)(float)(a + b)).ToArray();
        var arguments = new AddNormArguments
        {
            Rows = rows, Channels = channels, Layer = layer, Epsilon = (float)Epsilon, Weight = weight.Pointer, Bias = hasBias ? bias.Pointer : null,
            Residual = residual.Pointer, ResidualStride = residual.Stride, Hidden = hasHidden ? hidden.Pointer : null, HiddenStride = hidden.Stride,
            Sum = sum.Pointer, SumStride = sum.Stride, Y = y.Pointer, YStride = y.Stride, Statistics = statistics.Pointer, StatisticsStride = statistics.Stride,
        };
        kernels.Norm(arguments);
        sum.AssertClose(s, 0, $"sum, {what}");
        var w = weight.ToDouble();

        // One channel in a LayerNorm is its own mean: everything cancels, and only the absolute size of the error counts.
        var tolerance = layer && channels < 4 ? 1e-2 : 3e-6;
        y.AssertClose(Forward(s, w, hasBias ? bias.ToDouble() : new double[channels], layer), tolerance, $"y, {what}");

        Matrix dy = arena.Matrix(rows, channels), ds = arena.Matrix(rows, channels), dw = arena.Vector(channels), db = arena.Vector(channels);
        var expected = Backward(s, w, dy.ToDouble(), layer);
        double[] expectedSum = Sum(expected.Sum, ds), expectedWeight = Sum(expected.Weight, dw), expectedBias = Sum(expected.Bias, db);
        kernels.NormBackward(arguments, new AddNormGradients { Y = dy.Pointer, YStride = dy.Stride, Sum = ds.Pointer, SumStride = ds.Stride, Weight = dw.Pointer, Bias = db.Pointer });
        ds.AssertClose(expectedSum, tolerance, $"gradient of s, {what}");
        dw.AssertClose(expectedWeight, tolerance, $"gradient of the weight, {what}");
        db.AssertClose(expectedBias, 3e-6, $"gradient of the bias, {what}");
        arena.AssertGuards();
    }

    private static double[] Sum(double[] values, Matrix already) => values.Zip(already.ToDouble(), (a, b) => a + b).ToArray();

    private static (double Mean, double Inverse) Statistics(double[] s, int row, int channels, bool layer)
    {
        var values = s.Skip(row * channels).Take(channels).ToArray();
        var mean = layer ? values.Average() : 0;
        return (mean, 1 / Math.Sqrt(values.Average(v => (v - mean) * (v - mean)) + Epsilon));
    }

    private static double[] Forward(double[] s, double[] weight, double[] bias, bool layer)
    {
        var channels = weight.Length;
        return s.Select((v, i) =>
        {
            var (mean, inverse) = Statistics(s, i / channels, channels, layer);
            return (v - mean) * inverse * weight[i % channels] + bias[i % channels];
        }).ToArray();
    }

    private static (double[] Sum, double[] Weight, double[] Bias) Backward(double[] s, double[] weight, double[] dy, bool layer)
    {
        var channels = weight.Length;
        double[] ds = new double[s.Length], dw = new double[channels], db = new double[channels];
        for (var row = 0; row < s.Length / channels; row++)
        {
            var (mean, inverse) = Statistics(s, row, channels, layer);
            var x = Enumerable.Range(0, channels).Select(c => (s[row * channels + c] - mean) * inverse).ToArray();
            var h = Enumerable.Range(0, channels).Select(c => dy[row * channels + c] * weight[c]).ToArray();
            double product = x.Zip(h, (a, b) => a * b).Average(), plain = layer ? h.Average() : 0;
            for (var c = 0; c < channels; c++)
            {
                ds[row * channels + c] = inverse * (h[c] - plain - x[c] * product);
                dw[c] += dy[row * channels + c] * x[c];
                db[c] += dy[row * channels + c];
            }
        }

        return (ds, dw, db);
    }
}

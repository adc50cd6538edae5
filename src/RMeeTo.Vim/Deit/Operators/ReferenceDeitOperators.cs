using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>Every operator as its formula, one value at a time, in double: what <see cref="ReferenceDevice"/> is to a Vision Mamba.</summary>
internal sealed class ReferenceDeitOperators : DeitOperators
{
    public override void Attention(int batch, int heads, DeviceMatrix qkv, DeviceMatrix sizes, DeviceMatrix probabilities, DeviceMatrix output)
    {
        int rows = output.Rows, channels = output.Columns, length = rows / batch;
        var (projected, y) = (Of(qkv, rows, 3 * channels), Of(output, rows, channels));
        var size = OfOptional(sizes, rows, 1);
        var kept = OfOptional(probabilities, heads * rows, ProbabilityColumns(length));
        y.Clear();
        if (!kept.IsNone) kept.Clear();
        for (int image = 0; image < batch; image++)
            for (int head = 0; head < heads; head++)
                for (int i = 0; i < length; i++)
                {
                    double[] p = Probabilities(new Head(projected, image * length, head, channels / heads, channels), size, i, length);
                    for (int j = 0; j < length; j++)
                    {
                        if (!kept.IsNone) kept[(image * heads + head) * length + i, j] = p[j];
                        for (int c = head * channels / heads; c < (head + 1) * channels / heads; c++)
                            y[image * length + i, c] += p[j] * projected[image * length + j, 2 * channels + c];
                    }
                }
    }

    public override void AttentionGradient(int batch, int heads, DeviceMatrix qkv, DeviceMatrix probabilities, DeviceMatrix outputGradient,
        DeviceMatrix qkvGradient)
    {
        int rows = outputGradient.Rows, channels = outputGradient.Columns, length = rows / batch, width = channels / heads;
        var (x, dx, dy) = (Of(qkv, rows, 3 * channels), Of(qkvGradient, rows, 3 * channels), Of(outputGradient, rows, channels));
        var p = Of(probabilities, heads * rows, ProbabilityColumns(length));
        dx.Clear();
        for (int image = 0; image < batch; image++)
            for (int head = 0; head < heads; head++)
                for (int i = 0; i < length; i++)
                {
                    int query = image * length + i, row = (image * heads + head) * length + i, first = head * width;
                    var dp = new double[length];
                    double mean = 0;
                    for (int j = 0; j < length; j++)
                    {
                        for (int c = first; c < first + width; c++)
                        {
                            dp[j] += dy[query, c] * x[image * length + j, 2 * channels + c];
                            dx[image * length + j, 2 * channels + c] += p[row, j] * dy[query, c];
                        }
                        mean += p[row, j] * dp[j];
                    }
                    for (int j = 0; j < length; j++)
                    {
                        double logit = p[row, j] * (dp[j] - mean) / Math.Sqrt(width);
                        for (int c = first; c < first + width; c++)
                        {
                            dx[query, c] += logit * x[image * length + j, channels + c];
                            dx[image * length + j, channels + c] += logit * x[query, c];
                        }
                    }
                }
    }

    public override void Gelu(DeviceMatrix x, DeviceMatrix y)
    {
        var (from, to) = (Of(x, x.Rows, x.Columns), Of(y, x.Rows, x.Columns));
        for (int row = 0; row < from.Rows; row++)
            for (int c = 0; c < from.Columns; c++) to[row, c] = from[row, c] * NormalDistribution(from[row, c]);
    }

    public override void GeluGradient(DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx)
    {
        var (from, up, to) = (Of(x, x.Rows, x.Columns), Of(dy, x.Rows, x.Columns), Of(dx, x.Rows, x.Columns));
        for (int row = 0; row < from.Rows; row++)
            for (int c = 0; c < from.Columns; c++)
            {
                double value = from[row, c], density = Math.Exp(-value * value / 2) / Math.Sqrt(2 * Math.PI);
                to[row, c] = up[row, c] * (NormalDistribution(value) + value * density);
            }
    }

    public override void MeanOfHeads(int heads, DeviceMatrix x, DeviceMatrix mean)
    {
        var (from, to) = (Of(x, x.Rows, heads * mean.Columns), Of(mean, x.Rows, mean.Columns));
        to.Clear();
        for (int row = 0; row < from.Rows; row++)
            for (int c = 0; c < from.Columns; c++) to[row, c % to.Columns] += from[row, c] / heads;
    }

    public override void Merge(int batch, DeitMergePlan plan, DeviceMatrix source, DeviceMatrix destination)
    {
        int channels = source.Columns;
        var (from, to) = (Of(source, batch * plan.TokensIn, channels), Of(destination, batch * plan.TokensOut, channels));
        to.Clear();
        for (int row = 0; row < from.Rows; row++)
            if (plan.Destinations[row] is >= 0 and int target)
                for (int c = 0; c < channels; c++) to[row / plan.TokensIn * plan.TokensOut + target, c] += plan.Weights[row] * from[row, c];
    }

    public override void MergeGradient(int batch, DeitMergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient)
    {
        int channels = sourceGradient.Columns;
        var (from, to) = (Of(destinationGradient, batch * plan.TokensOut, channels), Of(sourceGradient, batch * plan.TokensIn, channels));
        to.Clear();
        for (int row = 0; row < to.Rows; row++)
            if (plan.Destinations[row] is >= 0 and int target)
                for (int c = 0; c < channels; c++) to[row, c] = plan.Weights[row] * from[row / plan.TokensIn * plan.TokensOut + target, c];
    }

    protected override void FindPartners(DeviceMatrix metric, DeitMergePlan plan)
    {
        var m = Of(metric, plan.TokensIn, metric.Columns);
        var unit = new double[m.Rows, m.Columns];
        for (int row = 0; row < m.Rows; row++)
        {
            double square = 0;
            for (int c = 0; c < m.Columns; c++) square += m[row, c] * m[row, c];
            for (int c = 0; c < m.Columns; c++) unit[row, c] = m[row, c] / Math.Sqrt(square);
        }
        for (int even = 0; even < plan.EvenCount; even++)
        {
            var (best, partner) = (double.NegativeInfinity, 0);
            for (int odd = 0; odd < plan.OddCount; odd++)
            {
                double similarity = Similarity(unit, 2 * even, 2 * odd + 1, plan.Options.Distance);
                if (similarity > best) (best, partner) = (similarity, odd); // strictly: the lowest partner wins a tie, and what is no number never wins
            }
            plan.SetPartner(even, partner, best);
        }
    }

    private static double Similarity(double[,] unit, int a, int b, MergeDistance distance)
    {
        double sum = 0;
        for (int c = 0; c < unit.GetLength(1); c++)
        {
            double difference = unit[a, c] - unit[b, c];
            sum += distance switch
            {
                MergeDistance.Cosine => unit[a, c] * unit[b, c],
                MergeDistance.L1 => -Math.Abs(difference),
                _ => -difference * difference,
            };
        }
        return distance == MergeDistance.L2 ? -Math.Sqrt(-sum) : sum;
    }

    private static double[] Probabilities(Head head, ReferenceMatrix size, int query, int length)
    {
        var p = new double[length];
        for (int j = 0; j < length; j++) p[j] = head.Logit(query, j) + (size.IsNone ? 0 : Math.Log(size[head.FirstRow + j, 0]));
        double largest = p.Max(), sum = 0;
        for (int j = 0; j < length; j++) sum += p[j] = Math.Exp(p[j] - largest);
        for (int j = 0; j < length; j++) p[j] /= sum;
        return p;
    }

    /// <summary>
    /// Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …): only terms of one sign, so nothing cancels. Beyond ±9 it is 0 or 1 to the last bit of a double.
    /// </summary>
    private static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 9) return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (int n = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); n += 2) sum += term *= x * x / n;
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }

    /// <summary>Queries and keys of one head of one image.</summary>
    private readonly record struct Head(ReferenceMatrix Qkv, int FirstRow, int Index, int Width, int Channels)
    {
        public double Logit(int query, int key)
        {
            double sum = 0;
            for (int c = Index * Width; c < (Index + 1) * Width; c++) sum += Qkv[FirstRow + query, c] * Qkv[FirstRow + key, Channels + c];
            return sum / Math.Sqrt(Width);
        }
    }
}

using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// Normalisation and convolution.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        var (rows, channels) = (residual.Rows, residual.Columns);
        var (r, h) = (Of(residual, rows, channels), OfOptional(hidden, rows, channels));
        var (s, output) = (Of(sum, rows, channels), Of(y, rows, channels));
        var statistic = Of(statistics, rows, 2);
        var (weight, bias) = (Of(norm.Weight, 1, channels), OfOptional(norm.Bias, 1, channels));
        for (int m = 0; m < rows; m++)
        {
            double mean = 0, square = 0;
            for (int c = 0; c < channels; c++)
            {
                s[m, c] = r[m, c] + (h.IsNone ? 0 : h[m, c]);
                if (norm.Kind == NormKind.Layer) mean += s[m, c] / channels;
            }
            for (int c = 0; c < channels; c++) square += Square(s[m, c] - mean) / channels;
            double inverse = 1 / Math.Sqrt(square + norm.Epsilon);
            for (int c = 0; c < channels; c++)
                output[m, c] = (s[m, c] - mean) * inverse * weight[0, c] + (bias.IsNone ? 0 : bias[0, c]);
            (statistic[m, 0], statistic[m, 1]) = (mean, inverse);
        }
    }

    /// <inheritdoc/>
    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels) = (sum.Rows, sum.Columns);
        var (s, g, gs) = (Of(sum, rows, channels), Of(dy, rows, channels), Of(sumGradient, rows, channels));
        var (statistic, weight) = (Of(statistics, rows, 2), Of(norm.Weight, 1, channels));
        var (gw, gb) = (Of(weightGradient, 1, channels), OfOptional(biasGradient, 1, channels));
        for (int m = 0; m < rows; m++)
        {
            var (mean, inverse) = (statistic[m, 0], statistic[m, 1]);
            double meanG = 0, meanGX = 0; // means over the channels of g·w and of g·w·x̂, with x̂ = (s − mean)·inverse
            for (int c = 0; c < channels; c++)
            {
                double x = (s[m, c] - mean) * inverse;
                meanG += g[m, c] * weight[0, c] / channels;
                meanGX += g[m, c] * weight[0, c] * x / channels;
                gw[0, c] += g[m, c] * x;
                if (!gb.IsNone) gb[0, c] += g[m, c];
            }
            if (norm.Kind == NormKind.Rms) meanG = 0; // no mean was taken off
            for (int c = 0; c < channels; c++)
                gs[m, c] += inverse * (g[m, c] * weight[0, c] - meanG - (s[m, c] - mean) * inverse * meanGX);
        }
    }

    private static double Square(double x) => x * x;

    /// <inheritdoc/>
    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        var (rows, channels) = (conv.Batch * conv.Length, x.Columns);
        var (input, output) = (Of(x, rows, channels), Of(y, rows, channels));
        var (weight, bias) = (Of(conv.Weight, channels, conv.Weight.Columns), OfOptional(conv.Bias, 1, channels));
        for (int b = 0; b < conv.Batch; b++)
            for (int step = 0; step < conv.Length; step++)
                for (int d = 0; d < channels; d++)
                {
                    double a = Convolve(conv, input, weight, bias, b, step, d);
                    output[TokenRow(b, step, conv.Length, conv.Reverse), d] = conv.Silu ? Silu(a) : a;
                }
    }

    /// <inheritdoc/>
    public override void CausalConvGradient(ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, channels, taps) = (conv.Batch * conv.Length, x.Columns, conv.Weight.Columns);
        var (input, g, gx) = (Of(x, rows, channels), Of(dy, rows, channels), Of(dx, rows, channels));
        var (weight, bias) = (Of(conv.Weight, channels, taps), OfOptional(conv.Bias, 1, channels));
        var (gw, gb) = (Of(weightGradient, channels, taps), OfOptional(biasGradient, 1, channels));
        if (!accumulate) gx.Clear();
        for (int b = 0; b < conv.Batch; b++)
            for (int step = 0; step < conv.Length; step++)
                for (int d = 0; d < channels; d++)
                {
                    double ga = g[TokenRow(b, step, conv.Length, conv.Reverse), d];
                    if (conv.Silu) ga *= SiluSlope(Convolve(conv, input, weight, bias, b, step, d));
                    if (!gb.IsNone) gb[0, d] += ga;
                    for (int k = Math.Max(0, taps - 1 - step); k < taps; k++)
                    {
                        int row = TokenRow(b, step - (taps - 1) + k, conv.Length, conv.Reverse);
                        gw[d, k] += ga * input[row, d];
                        gx[row, d] += ga * weight[d, k];
                    }
                }
    }

    /// <summary>bias + Σ_k w_k · x at step − (K−1) + k, zeros before the first step.</summary>
    private static double Convolve(ConvOperands conv, ReferenceMatrix x, ReferenceMatrix weight, ReferenceMatrix bias, int image, int step, int channel)
    {
        int taps = weight.Columns;
        double sum = bias.IsNone ? 0 : bias[0, channel];
        for (int k = Math.Max(0, taps - 1 - step); k < taps; k++)
            sum += weight[channel, k] * x[TokenRow(image, step - (taps - 1) + k, conv.Length, conv.Reverse), channel];
        return sum;
    }

    /// <summary>The row at which a walk along the tokens of an image is after <paramref name="step"/> steps.</summary>
    private static int TokenRow(int image, int step, int length, bool reverse) => image * length + (reverse ? length - 1 - step : step);
}

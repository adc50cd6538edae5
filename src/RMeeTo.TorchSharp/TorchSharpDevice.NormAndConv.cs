using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// Normalisation and convolution.
public sealed partial class TorchSharpDevice
{
    /// <inheritdoc/>
    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        using var scope = NewDisposeScope();
        var (rows, channels) = (residual.Rows, residual.Columns);
        Tensor s = View(sum, rows, channels, nameof(sum)), output = View(y, rows, channels, nameof(y));
        Tensor statistic = View(statistics, rows, 2, nameof(statistics));
        Tensor weight = View(norm.Weight, 1, channels, nameof(norm.Weight)), r = View(residual, rows, channels, nameof(residual));
        Tensor? bias = ViewOrNull(norm.Bias, 1, channels, nameof(norm.Bias)), h = ViewOrNull(hidden, rows, channels, nameof(hidden));
        if (rows == 0) return;
        s.copy_(h is null ? r : r.Plus(h));
        Tensor mean = statistic.narrow(1, 0, 1), inverse = statistic.narrow(1, 1, 1), centred = s;
        if (norm.Kind == NormKind.Layer)
        {
            mean.copy_(s.mean([1], keepdim: true));
            centred = s.sub(mean);
        }
        else mean.Clear();
        inverse.copy_(centred.Squared().mean([1], keepdim: true).AddNumber(norm.Epsilon).rsqrt_());
        Tensor normed = centred.mul(inverse).mul_(weight);
        output.copy_(bias is null ? normed : normed.Add(bias));
    }

    /// <inheritdoc/>
    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var scope = NewDisposeScope();
        var (rows, channels) = (sum.Rows, sum.Columns);
        Tensor s = View(sum, rows, channels, nameof(sum)), statistic = View(statistics, rows, 2, nameof(statistics)), g = View(dy, rows, channels, nameof(dy));
        Tensor weight = View(norm.Weight, 1, channels, nameof(norm.Weight)), gs = View(sumGradient, rows, channels, nameof(sumGradient));
        Tensor gw = View(weightGradient, 1, channels, nameof(weightGradient));
        Tensor? gb = ViewOrNull(biasGradient, 1, channels, nameof(biasGradient));
        if (rows == 0) return;
        Tensor mean = statistic.narrow(1, 0, 1), inverse = statistic.narrow(1, 1, 1);
        bool layer = norm.Kind == NormKind.Layer;
        Tensor x = (layer ? s.sub(mean) : s).mul(inverse);
        gw.Add(g.mul(x).sum(0, keepdim: true));
        gb?.Add(g.sum(0, keepdim: true));
        Tensor weighted = g.mul(weight);
        Tensor inward = x.mul(weighted.mul(x).mean([1], keepdim: true));
        if (layer) inward.Add(weighted.mean([1], keepdim: true)); // the mean was taken off
        gs.AddProduct(weighted.sub_(inward), inverse);
    }

    /// <inheritdoc/>
    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        using var scope = NewDisposeScope();
        Tensor input = Images(x, conv.Batch, conv.Length, x.Columns, nameof(x)), output = Images(y, conv.Batch, conv.Length, x.Columns, nameof(y));
        var taps = new Taps(this, conv, x.Columns);
        if (x.Rows == 0) return;
        Tensor sum = taps.Convolve(input);
        output.copy_(conv.Silu ? sum.silu() : sum);
    }

    /// <inheritdoc/>
    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var scope = NewDisposeScope();
        int channels = x.Columns;
        Tensor input = Images(x, conv.Batch, conv.Length, channels, nameof(x)), g = Images(dy, conv.Batch, conv.Length, channels, nameof(dy));
        Tensor gx = Images(dx, conv.Batch, conv.Length, channels, nameof(dx)), gw = View(weightGradient, channels, conv.Weight.Columns, nameof(weightGradient));
        Tensor? gb = ViewOrNull(biasGradient, 1, channels, nameof(biasGradient));
        var taps = new Taps(this, conv, channels);
        if (x.Rows == 0) return;
        if (conv.Silu) g = taps.Convolve(input).SiluSlope().mul_(g);
        gb?.Add(g.sum(0, 1).unsqueeze(0));
        if (!accumulate) gx.Clear();
        for (int k = 0; k < taps.Count; k++)
        {
            if (taps.Shift(k) >= conv.Length) continue;
            Tensor read = taps.Read(input, k), written = taps.Written(g, k);
            gw.select(1, k).Add(written.mul(read).sum(0, 1));
            taps.Read(gx, k).AddProduct(written, taps.Weight(k));
        }
    }

    /// <summary>The taps of a convolution: the k-th one gives to the token at a step what stands K − 1 − k steps before it.</summary>
    private readonly struct Taps
    {
        private readonly ConvOperands _conv;
        private readonly Tensor _weight;
        private readonly Tensor? _bias;

        public Taps(TorchSharpDevice device, ConvOperands conv, int channels)
        {
            _conv = conv;
            _weight = device.View(conv.Weight, channels, conv.Weight.Columns, nameof(conv.Weight));
            _bias = device.ViewOrNull(conv.Bias, 1, channels, nameof(conv.Bias));
        }

        /// <summary>K.</summary>
        public int Count => _conv.Weight.Columns;

        /// <summary>Steps from where a tap reads to where it writes.</summary>
        public int Shift(int k) => Count - 1 - k;

        /// <summary>[D]</summary>
        public Tensor Weight(int k) => _weight.select(1, k);

        /// <summary>The tokens [B, L, D] that a tap reads.</summary>
        public Tensor Read(Tensor x, int k) => x.narrow(1, _conv.Reverse ? Shift(k) : 0, _conv.Length - Shift(k));

        /// <summary>The tokens [B, L, D] that a tap writes to.</summary>
        public Tensor Written(Tensor y, int k) => y.narrow(1, _conv.Reverse ? 0 : Shift(k), _conv.Length - Shift(k));

        /// <summary>bias + Σ_k w_k · x, before the activation.</summary>
        public Tensor Convolve(Tensor x)
        {
            Tensor sum = x.mul(Weight(Count - 1));
            if (_bias is not null) sum.Add(_bias);
            for (int k = Count - 2; k >= 0; k--)
                if (Shift(k) < _conv.Length) Written(sum, k).AddProduct(Read(x, k), Weight(k));
            return sum;
        }
    }
}

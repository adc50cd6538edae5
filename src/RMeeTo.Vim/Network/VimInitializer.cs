namespace RMeeTo.Vim.Network;

/// <summary>
/// Weights for training from scratch, as Vim initialises them (hustvl/Vim, <c>VisionMamba.__init__</c>; spec 1.1). VideoMamba's own initialisation differs and is not here.
/// Each parameter draws from a stream of its own, so the values are a function of the seed, the parameter's number and the place in it.
/// </summary>
public static class VimInitializer
{
    private const double SmallDeviation = 0.02;

    /// <summary>Standard deviation of a standard normal distribution cut off at ±2, by which timm's lecun_normal divides.</summary>
    private const double TruncatedDeviation = 0.87962566103423978;

    /// <summary>Initial weights.</summary>
    /// <param name="config">The network.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="layerScale">Value of the factors γ where <see cref="VimConfig.LayerScale"/> is set (official name <c>init_layer_scale</c>).</param>
    /// <remarks>
    /// C width, D inner width, N states, K taps, R rank of Δ; U(b) is uniform on [−b, b].
    /// Class token, positions, head: normal, σ = 0.02. Patches: normal, σ = 1 / (0.8796 √(3P²)). in_proj: U(1/√C). conv1d, bias included: U(1/√K). x_proj: U(1/√D). dt_proj: U(1/√R), its bias the inverse
    /// of softplus at τ, ln τ uniform on [ln 0.001, ln 0.1]; the backward direction's dt_proj_b alike but with bias 0. A_log: ln 1 … ln N. D, norms: 1. out_proj: U(1/√D) / √depth. Other biases: 0.
    /// </remarks>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public static VimWeights Create(VimConfig config, ulong seed, float layerScale = 1f)
    {
        var weights = new VimWeights(config);
        var p = weights.Parameters;
        var draw = new Drawer(weights, seed);
        if (p.ClassToken != null) draw.Normal(p.ClassToken, SmallDeviation);
        if (p.TailClassToken != null) draw.Normal(p.TailClassToken, SmallDeviation);
        draw.Normal(p.Positions, SmallDeviation);
        draw.Normal(p.PatchWeight, Math.Sqrt(1.0 / config.PatchLength) / TruncatedDeviation);
        FillHead(weights, seed);
        foreach (var block in p.Blocks)
        {
            draw.Uniform(block.Input, 1 / Math.Sqrt(config.Width));
            FillDirection(draw, block.Forward, config);
            draw.InverseSoftplusOfTimeSteps(block.Forward.DeltaBias);
            FillDirection(draw, block.Backward, config);
            draw.Uniform(block.Output, 1 / Math.Sqrt(config.InnerWidth) / Math.Sqrt(config.Depth));
            if (block.Gamma != null) weights[block.Gamma].Fill(layerScale);
            weights[block.Norm].Fill(1);
        }
        weights[p.FinalNorm].Fill(1);
        return weights;
    }

    /// <summary>Head weights normal with σ = 0.02, biases 0. The values of a row depend on the seed and the row only.</summary>
    internal static void FillHead(VimWeights weights, ulong seed)
    {
        new Drawer(weights, seed).Normal(weights.Parameters.HeadWeight, SmallDeviation);
        weights[weights.Parameters.HeadBias].Clear();
    }

    private static void FillDirection(Drawer draw, DirectionParameters direction, VimConfig config)
    {
        var aLog = draw.Weights[direction.ALog];
        for (int i = 0; i < aLog.Length; i++) aLog[i] = (float)Math.Log(1 + i % config.StateSize);
        draw.Weights[direction.D].Fill(1);
        double taps = 1 / Math.Sqrt(config.ConvolutionWidth);
        draw.Uniform(direction.ConvWeight, taps);
        draw.Uniform(direction.ConvBias, taps);
        draw.Uniform(direction.Projection, 1 / Math.Sqrt(config.InnerWidth));
        draw.Uniform(direction.DeltaWeight, 1 / Math.Sqrt(config.TimeStepRank));
    }

    /// <summary>Fills parameters, each from its own stream of random numbers.</summary>
    private sealed class Drawer
    {
        private readonly Dictionary<VimParameter, int> _number;
        private readonly ulong _seed;

        public Drawer(VimWeights weights, ulong seed)
        {
            (Weights, _seed) = (weights, seed);
            _number = new(ReferenceEqualityComparer.Instance);
            for (int i = 0; i < weights.Parameters.All.Count; i++) _number.Add(weights.Parameters.All[i], i);
        }

        public VimWeights Weights { get; }

        /// <summary>N(0, σ²), drawn again beyond ±2 as timm does; for the deviations in use that never happens but for the tiniest patches.</summary>
        public void Normal(VimParameter parameter, double deviation)
        {
            var random = Stream(parameter);
            foreach (ref float value in Weights[parameter])
            {
                double drawn;
                do drawn = deviation * random.NextGaussian();
                while (Math.Abs(drawn) > 2);
                value = (float)drawn;
            }
        }

        public void Uniform(VimParameter parameter, double bound)
        {
            var random = Stream(parameter);
            foreach (ref float value in Weights[parameter]) value = (float)random.NextDouble(-bound, bound);
        }

        /// <summary>x with softplus(x) = τ: x = τ + ln(1 − e^−τ).</summary>
        public void InverseSoftplusOfTimeSteps(VimParameter parameter)
        {
            var random = Stream(parameter);
            foreach (ref float value in Weights[parameter])
            {
                double step = Math.Max(Math.Exp(random.NextDouble(Math.Log(0.001), Math.Log(0.1))), 1e-4);
                value = (float)(step + Math.Log(1 - Math.Exp(-step)));
            }
        }

        private CounterRandom Stream(VimParameter parameter) => CounterRandom.For(_seed, 0, _number[parameter], RandomPurpose.Initialise);
    }
}

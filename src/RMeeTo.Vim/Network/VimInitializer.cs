namespace RMeeTo.Vim.Network;

/// <summary>From which distributions the weights of a network that is trained from scratch are drawn.</summary>
public enum InitialisationFamily
{
    /// <summary>As hustvl/Vim (spec 1.1).</summary>
    Vim,

    /// <summary>As OpenGVLab/VideoMamba (spec 1.3).</summary>
    VideoMamba,
}

/// <summary>
/// Weights for training from scratch, as Vim and VideoMamba initialise them (<c>VisionMamba.__init__</c> of each; spec 1.1 and 1.3). Each parameter draws from
/// a stream of its own, so the values are a function of the seed, the parameter's number and the place in it.
/// </summary>
public static class VimInitializer
{
    /// <summary>Standard deviation of a standard normal distribution cut off at ±2, by which timm's lecun_normal divides.</summary>
    private const double TruncatedDeviation = 0.87962566103423978;

    /// <summary>Initial weights.</summary>
    /// <param name="config">The network.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="layerScale">Value of the factors γ where <see cref="VimConfig.LayerScale"/> is set (official name <c>init_layer_scale</c>).</param>
    /// <param name="family">Unless given: VideoMamba's where the class token is first and the directions are added, as in all of its networks; else
    /// Vim's.</param>
    /// <remarks>
    /// C width, D inner width, N states, K taps, R rank of Δ; U(b) is uniform on [−b, b].
    /// Both: positions, head: normal, σ = 0.02. Places in time: 0. conv1d, bias included: U(1/√K). A_log: ln 1 … ln N. D, norms: 1. out_proj: U(1/√D) / √depth.
    /// Biases not named: 0. Vim: class token: normal, σ = 0.02. Patches: normal, σ = 1 / (0.8796 √(3P²)). in_proj: U(1/√C). x_proj: U(1/√D). dt_proj: U(1/√R),
    /// its bias the inverse of softplus at τ, ln τ uniform on [ln 0.001, ln 0.1]; the backward direction's dt_proj_b alike but with bias 0.
    /// VideoMamba: class token: 0. Patches, bias included: U(1/√(3P²)), or one over the root of 3 · tubelet · P². in_proj, x_proj, dt_proj: normal, σ = 0.02;
    /// the biases of both dt_proj are 0.
    /// </remarks>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public static VimWeights Create(VimConfig config, ulong seed, float layerScale = 1f, InitialisationFamily? family = null)
    {
        var weights = new VimWeights(config);
        var p = weights.Parameters;
        var draw = new ParameterDrawer(weights, seed);
        bool videoMamba = (family ?? FamilyOf(config)) == InitialisationFamily.VideoMamba;
        draw.Normal(p.Positions);
        FillEmbedding(draw, p, videoMamba);
        draw.Head();
        foreach (var block in p.Blocks)
        {
            if (videoMamba) FillVideoMambaLayers(draw, block);
            else FillVimLayers(draw, block, config);
            FillDirection(draw, weights, block.Forward);
            FillDirection(draw, weights, block.Backward);
            draw.Uniform(block.Output, 1 / Math.Sqrt(config.InnerWidth) / Math.Sqrt(config.Depth));
            if (block.Gamma != null) weights[block.Gamma].Fill(layerScale);
            weights[block.Norm].Fill(1);
        }
        weights[p.FinalNorm].Fill(1);
        return weights;
    }

    private static InitialisationFamily FamilyOf(VimConfig config) =>
        config is { ClassToken: ClassTokenPosition.First, AverageDirections: false } ? InitialisationFamily.VideoMamba : InitialisationFamily.Vim;

    private static void FillEmbedding(ParameterDrawer draw, VimParameters p, bool videoMamba)
    {
        double fanIn = Math.Sqrt(p.Config.PatchLength);
        if (videoMamba)
        {
            draw.Uniform(p.PatchWeight, 1 / fanIn);
            draw.Uniform(p.PatchBias, 1 / fanIn);
            return;
        }
        if (p.ClassToken != null) draw.Normal(p.ClassToken);
        if (p.TailClassToken != null) draw.Normal(p.TailClassToken);
        draw.Normal(p.PatchWeight, 1 / fanIn / TruncatedDeviation);
    }

    private static void FillVimLayers(ParameterDrawer draw, BlockParameters block, VimConfig config)
    {
        draw.Uniform(block.Input, 1 / Math.Sqrt(config.Width));
        foreach (var direction in (DirectionParameters[])[block.Forward, block.Backward])
        {
            draw.Uniform(direction.Projection, 1 / Math.Sqrt(config.InnerWidth));
            draw.Uniform(direction.DeltaWeight, 1 / Math.Sqrt(config.TimeStepRank));
        }
        draw.InverseSoftplusOfTimeSteps(block.Forward.DeltaBias);
    }

    private static void FillVideoMambaLayers(ParameterDrawer draw, BlockParameters block)
    {
        draw.Normal(block.Input);
        foreach (var direction in (DirectionParameters[])[block.Forward, block.Backward])
        {
            draw.Normal(direction.Projection);
            draw.Normal(direction.DeltaWeight);
        }
    }

    private static void FillDirection(ParameterDrawer draw, VimWeights weights, DirectionParameters direction)
    {
        var aLog = weights[direction.ALog];
        for (int i = 0; i < aLog.Length; i++) aLog[i] = (float)Math.Log(1 + i % weights.Config.StateSize);
        weights[direction.D].Fill(1);
        double taps = 1 / Math.Sqrt(weights.Config.ConvolutionWidth);
        draw.Uniform(direction.ConvWeight, taps);
        draw.Uniform(direction.ConvBias, taps);
    }
}

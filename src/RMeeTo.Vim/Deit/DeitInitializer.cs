using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// Weights for training from scratch, as is usual for a DeiT. Each parameter draws from a stream of its own, so a value is a function of the seed, the
/// parameter's number and the place in it.
/// </summary>
public static class DeitInitializer
{
    /// <summary>Initial weights.</summary>
    /// <param name="config">The network.</param>
    /// <param name="seed">Seed.</param>
    /// <remarks>
    /// Class token, positions and the weights of all linear layers: normal, σ = 0.02. Patches, bias included: uniform on ±1/√(3P²), as PyTorch initialises a
    /// convolution. Norms: weight 1. All else: 0.
    /// </remarks>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public static DeitWeights Create(DeitConfig config, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        var weights = new DeitWeights(config);
        var p = weights.Parameters;
        var draw = new ParameterDrawer(weights, seed);
        double bound = 1 / Math.Sqrt(config.PatchLength);
        draw.Normal(p.ClassToken);
        draw.Normal(p.Positions);
        draw.Uniform(p.Patch.Weight, bound);
        draw.Uniform(p.Patch.Bias, bound);
        foreach (var block in p.Blocks)
        {
            foreach (var layer in new[] { block.Qkv, block.Projection, block.Hidden, block.Output }) draw.Normal(layer.Weight);
            weights[block.Norm1.Weight].Fill(1);
            weights[block.Norm2.Weight].Fill(1);
        }
        weights[p.FinalNorm.Weight].Fill(1);
        draw.Head();
        return weights;
    }
}

using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>
/// Weights for training from scratch, as is usual for a DeiT. Each parameter draws from a stream of its own, so a value is a function of the seed, the
/// parameter and its place.
/// </summary>
public static class DeitInitializer
{
    private const double Deviation = 0.02;

    /// <summary>Initial weights.</summary>
    /// <param name="config">The network.</param>
    /// <param name="seed">Seed.</param>
    /// <remarks>
    /// Class token, positions and the weights of all linear layers: normal, σ = 0.02. Patches, bias included: uniform on ±1/√(3P²), as PyTorch initialises a
    /// convolution.
    /// Norms: weight 1. All else: 0.
    /// </remarks>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public static DeitWeights Create(DeitConfig config, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        var weights = new DeitWeights(config);
        var p = weights.Parameters;
        Normal(weights, p.ClassToken, seed);
        Normal(weights, p.Positions, seed);
        Uniform(weights, p.Patch.Weight, seed);
        Uniform(weights, p.Patch.Bias, seed);
        foreach (var block in p.Blocks)
        {
            foreach (var layer in new[] { block.Qkv, block.Projection, block.Hidden, block.Output }) Normal(weights, layer.Weight, seed);
            weights[block.Norm1.Weight].Fill(1);
            weights[block.Norm2.Weight].Fill(1);
        }
        weights[p.FinalNorm.Weight].Fill(1);
        FillHead(weights, seed);
        return weights;
    }

    /// <summary>Head weights normal with σ = 0.02, biases 0. The values of a row depend on the seed and the row only.</summary>
    internal static void FillHead(DeitWeights weights, ulong seed)
    {
        Normal(weights, weights.Parameters.Head.Weight, seed);
        weights[weights.Parameters.Head.Bias].Clear();
    }

    private static void Normal(DeitWeights weights, VimParameter parameter, ulong seed)
    {
        var random = Stream(weights, parameter, seed);
        foreach (ref float value in weights[parameter]) value = (float)(Deviation * random.NextGaussian());
    }

    private static void Uniform(DeitWeights weights, VimParameter parameter, ulong seed)
    {
        double bound = 1 / Math.Sqrt(weights.Config.PatchLength);
        var random = Stream(weights, parameter, seed);
        foreach (ref float value in weights[parameter]) value = (float)random.NextDouble(-bound, bound);
    }

    private static CounterRandom Stream(DeitWeights weights, VimParameter parameter, ulong seed)
    {
        int number = 0;
        while (!ReferenceEquals(weights.Parameters.All[number], parameter)) number++;
        return CounterRandom.For(seed, 0, number, RandomPurpose.Initialise);
    }
}

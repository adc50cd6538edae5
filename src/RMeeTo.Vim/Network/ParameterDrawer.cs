namespace RMeeTo.Vim.Network;

/// <summary>
/// Fills parameters with random values. Each draws from a stream of its own, so a value is a function of the seed, the parameter's number and the place in it.
/// </summary>
internal sealed class ParameterDrawer
{
    /// <summary>σ of heads, positions and class tokens, in all networks.</summary>
    public const double SmallDeviation = 0.02;

    private readonly NetworkWeights _weights;
    private readonly Dictionary<VimParameter, int> _number = new(ReferenceEqualityComparer.Instance);
    private readonly ulong _seed;

    public ParameterDrawer(NetworkWeights weights, ulong seed)
    {
        (_weights, _seed) = (weights, seed);
        for (int i = 0; i < weights.Parameters.All.Count; i++) _number.Add(weights.Parameters.All[i], i);
    }

    /// <summary>N(0, σ²), drawn again beyond ±2 as timm does; for the deviations in use that never happens but for the tiniest patches.</summary>
    public void Normal(VimParameter parameter, double deviation = SmallDeviation)
    {
        var random = Stream(parameter);
        foreach (ref float value in _weights[parameter])
        {
            double drawn;
            do drawn = deviation * random.NextGaussian();
            while (Math.Abs(drawn) > 2);
            value = (float)drawn;
        }
    }

    /// <summary>Uniform on [−<paramref name="bound"/>, <paramref name="bound"/>].</summary>
    public void Uniform(VimParameter parameter, double bound)
    {
        var random = Stream(parameter);
        foreach (ref float value in _weights[parameter]) value = (float)random.NextDouble(-bound, bound);
    }

    /// <summary>x with softplus(x) = τ: x = τ + ln(1 − e^−τ).</summary>
    public void InverseSoftplusOfTimeSteps(VimParameter parameter)
    {
        var random = Stream(parameter);
        foreach (ref float value in _weights[parameter])
        {
            double step = Math.Max(Math.Exp(random.NextDouble(Math.Log(0.001), Math.Log(0.1))), 1e-4);
            value = (float)(step + Math.Log(1 - Math.Exp(-step)));
        }
    }

    /// <summary>Head weights normal with σ = 0.02, biases 0. The values of a row depend on the seed and the row only.</summary>
    public void Head()
    {
        var (weight, bias) = _weights.Parameters.ClassRows;
        Normal(weight);
        _weights[bias].Clear();
    }

    private CounterRandom Stream(VimParameter parameter) => CounterRandom.For(_seed, 0, _number[parameter], RandomPurpose.Initialise);
}

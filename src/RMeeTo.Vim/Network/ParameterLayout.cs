namespace RMeeTo.Vim.Network;

/// <summary>
/// Every parameter of a network in the order of the official state dict, laid out in one flat buffer (each tensor starts at a multiple of 16 values; the gaps
/// stay zero). Weights, gradients and optimizer moments all share this layout.
/// </summary>
public abstract class ParameterLayout
{
    private readonly List<VimParameter> _all = [];
    private readonly Dictionary<string, VimParameter> _byName = [];

    private protected ParameterLayout() { }

    /// <summary>All parameters in official order.</summary>
    public IReadOnlyList<VimParameter> All => _all;

    /// <summary>Number of learned values: 7,148,008 for Vim-Tiny with 1000 classes.</summary>
    public long Count => _all.Sum(p => (long)p.Length);

    /// <summary>Values in a flat buffer, gaps included; a multiple of 16.</summary>
    public long BufferLength { get; private set; }

    /// <summary>The parameter of that name, or null.</summary>
    public VimParameter? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Every matrix that activations are multiplied by, and whether a gradient flows back through it: not to the pixels.</summary>
    internal abstract IEnumerable<(VimParameter Weight, bool HasInputGradient)> LinearWeights { get; }

    /// <summary>The head: a row of weights [classes, C] and a bias [classes] for each class.</summary>
    internal abstract (VimParameter Weight, VimParameter Bias) ClassRows { get; }

    private protected VimParameter Add(string name, params int[] shape)
    {
        var parameter = new VimParameter(name, shape, BufferLength);
        BufferLength += (parameter.Length + 15L) / 16 * 16;
        _all.Add(parameter);
        _byName.Add(name, parameter);
        return parameter;
    }
}
